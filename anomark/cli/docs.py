"""`anomark docs`: the pages that are written from the files."""

from __future__ import annotations

from anomark.cli.shared import plain_errors
from anomark.suite.dropins import ROOT


@plain_errors
def docs() -> None:
    """Write config/README.md from the schema."""
    from anomark.suite.config import documentation

    (ROOT / "config/README.md").write_text(documentation(), encoding="utf-8")
