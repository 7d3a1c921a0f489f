"""`anomark docs`: the pages that are written from the files."""

from __future__ import annotations

from anomark.suite.dropins import ROOT


def docs() -> None:
    """Write the pages that list what the benchmark has: config/README.md, docs/*.md and ARCHITECTURE.md."""
    from anomark.docs.catalogue import pages

    for name, text in pages().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(name)
