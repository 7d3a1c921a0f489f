"""`anomark data`: which of the owners' files are in the data folder, and bringing the rest there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from anomark.cli.shared import print_columns
from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT

app = typer.Typer(help="The owners' files: what is here, where the rest comes from.", no_args_is_help=True)
MANIFEST = ROOT / "datasets" / "manifest.yaml"
NamesArgument = Annotated[
    list[str] | None, typer.Argument(help="Families, sources, or single files: mvtec-bottle. All if none.")
]
RootOption = Annotated[Path | None, typer.Option(help="The data folder; else ANOMARK_DATA.", show_default=False)]
ManifestOption = Annotated[
    Path, typer.Option(help="The list of files to fetch.", show_default="datasets/manifest.yaml")
]


@app.command("list")
def list_(root: RootOption = None, manifest: ManifestOption = MANIFEST) -> None:
    """List every dataset with its state, its size and its licence."""
    from anomark.data import fetch
    from anomark.suite import registry, select

    sources = fetch.read_manifest(manifest)
    folder = _data_folder(root)
    size = {family: _size(source.size) for source in sources.values() for family in source.families}
    rows: list[tuple[str, ...]] = [("family", "state", "download", "licence", "where from")]
    for family in registry.families().values():
        if not family.files:
            state = "embedded"
        elif folder is None:
            state = "no data folder"
        elif family.open:
            state = f"{len(select.in_folder(family, folder))} here"
        else:
            state = f"{sum(select.is_here(d, folder) for d in family.datasets)} of {len(family.datasets)} here"
        rows.append((family.id, state, size.get(family.id, "-"), family.licence, family.source))
    print_columns(rows)


@app.command("fetch")
def fetch_(
    names: NamesArgument = None,
    root: RootOption = None,
    manifest: ManifestOption = MANIFEST,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing: only say what is missing.")] = False,
) -> None:
    """Download what is missing, check it, and unpack it where the loaders look for it."""
    from anomark.data import fetch

    store = fetch.Store(_required_folder(root))
    failed = 0
    for name, source in fetch.choose(fetch.read_manifest(manifest), names or ()).items():
        print(f"{name} {source.version}: {source.allows} ({source.licence})")
        for file in source.files:
            try:
                print(f"  {file.path}: {store.fetch(file, offline=offline, progress=sys.stderr.isatty())}")
            except AnomarkError as error:
                print(f"anomark: {error}", file=sys.stderr)
                failed += 1
    if failed:
        raise AnomarkError(f"{failed} files could not be fetched; call it again to go on")


@app.command()
def verify(names: NamesArgument = None, root: RootOption = None, manifest: ManifestOption = MANIFEST) -> None:
    """Compare what was fetched with its checksums."""
    from anomark.data import fetch

    store = fetch.Store(_required_folder(root))
    sources = fetch.choose(fetch.read_manifest(manifest), names or ())
    files = [file for source in sources.values() for file in source.files if store.can_verify(file)]
    wrong = [sentence for file in files for sentence in store.verify(file)]
    print(f"{len(files)} downloads checked, {len(wrong)} files differ")
    for sentence in wrong:
        print(f"anomark: {sentence}", file=sys.stderr)
    if wrong:
        raise typer.Exit(1)


def _data_folder(root: Path | None) -> Path | None:
    """The data folder of the option or of ANOMARK_DATA."""
    named = root or os.environ.get("ANOMARK_DATA")
    return Path(named).expanduser() if named else None


def _required_folder(root: Path | None) -> Path:
    folder = _data_folder(root)
    if folder is None:
        raise AnomarkError("no data folder is named; set ANOMARK_DATA or give --root")
    return folder


def _size(count: int) -> str:
    """Bytes for people: 5.3 GB."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} B"
