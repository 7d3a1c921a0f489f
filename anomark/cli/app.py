"""The command line: `anomark list|data|run|evaluate|report|why|check|gc|docs`.

The workflow itself is Snakemake's (`snakemake --cores all`); these commands look at one thing at a time.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, overload

import typer

from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT

app = typer.Typer(
    help="A reproducible benchmark suite for anomaly detection on images, time series and audio.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="The owners' files: what is here, where the rest comes from.", no_args_is_help=True)
app.add_typer(data_app, name="data")
SuiteOption = Annotated[
    list[str], typer.Option("--suite", "-s", help="A suite's name or YAML file; several are laid over each other.")
]
DEFAULT_SUITE = ["default"]
RootOption = Annotated[Path | None, typer.Option(help="The data folder; else ANOMARK_DATA.", show_default=False)]
ManifestOption = Annotated[Path | None, typer.Option(help="Another manifest.", show_default="datasets/manifest.yaml")]


def _plain_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake ends in one sentence and exit status 1, not in a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except AnomarkError as error:
            print(f"anomark: {error}", file=sys.stderr)
            raise typer.Exit(1) from None

    return wrapped


def _plan(suites: list[str]) -> Any:
    from anomark.suite.config import load
    from anomark.suite.plan import Plan

    return Plan(load(*suites))


@app.command("list")
@_plain_errors
def list_(what: Annotated[str, typer.Argument(help="methods, datasets or suites")]) -> None:
    """List what the benchmark knows, without importing any of it."""
    from anomark.suite import registry

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    if what == "methods":
        rows = [
            (m.id, m.label, ",".join(m.modalities), "control" if m.control else m.track, m.paper)
            for m in registry.methods().values()
        ]
        head = ("id", "label", "modalities", "track", "paper")
    elif what == "datasets":
        rows = [
            (
                d.id,
                d.family.modality,
                d.family.level,
                d.family.licence,
                "data folder" if d.family.files else "embedded",
                f"also {', '.join(f'-{name}' for name in d.family.variants)}" if d.family.variants else "",
            )
            for d in registry.datasets().values()
        ]
        rows += [
            (f"{f.id}-*", f.modality, f.level, f.licence, "data folder", "any item of the data folder")
            for f in registry.families().values()
            if f.open
        ]
        head = ("id", "modality", "level", "licence", "needs", "")
    elif what == "suites":
        from anomark.suite.config import load, suites

        rows = []
        for name, path in suites().items():
            suite = load(name)
            rows.append(
                (
                    name,
                    f"{len(suite.datasets)} datasets",
                    f"{len(suite.seeds)} seeds",
                    suite.device,
                    _first_comment(path),
                )
            )
        head = ("suite", "datasets", "seeds", "device", "")
    else:
        raise AnomarkError(f"{what!r} can't be listed; {registry.nearest(what, ('methods', 'datasets', 'suites'))}")
    _print_columns(head, rows)


@data_app.command("list")
@_plain_errors
def data_list(root: RootOption = None, manifest: ManifestOption = None) -> None:
    """List every dataset with its state, its size and its licence."""
    from anomark.data import fetch
    from anomark.suite import registry

    sources = fetch.read_manifest(manifest or fetch.MANIFEST)
    folder = _data_folder(root)
    size = {family: _size(source.size) for source in sources.values() for family in source.families}
    rows: list[tuple[str, ...]] = []
    for family in registry.families().values():
        datasets = [d for d in registry.datasets().values() if d.family.id == family.id]
        if not family.files:
            state = "embedded"
        elif folder is None:
            state = "no data folder"
        elif family.open:
            state = "any item of the data folder"
        else:
            state = f"{sum(_is_here(d, folder) for d in datasets)} of {len(datasets)} here"
        rows.append((family.id, state, size.get(family.id, "-"), family.licence, family.source))
    _print_columns(("family", "state", "download", "licence", "where from"), rows)


@data_app.command("fetch")
@_plain_errors
def data_fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Families, sources, or single files: mvtec-bottle. All if none."),
    ] = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing: only say what is missing.")] = False,
) -> None:
    """Download what is missing, check it, and unpack it where the loaders look for it."""
    from anomark.data import fetch

    sources = fetch.read_manifest(manifest or fetch.MANIFEST)
    store = fetch.Store(_data_folder(root, required=True))
    failed = 0
    for name, source in _chosen(sources, names).items():
        print(f"{name} {source.version}: {source.allows} ({source.licence})")
        for file in source.files:
            try:
                print(f"  {file.path}: {store.fetch(file, offline=offline, progress=sys.stderr.isatty())}")
            except AnomarkError as error:
                print(f"anomark: {error}", file=sys.stderr)
                failed += 1
    if failed:
        raise AnomarkError(f"{failed} files could not be fetched; call it again to go on")


@data_app.command("verify")
@_plain_errors
def data_verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Families, sources, or single files: mvtec-bottle. All if none."),
    ] = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
) -> None:
    """Compare what was fetched with its checksums."""
    from anomark.data import fetch

    store = fetch.Store(_data_folder(root, required=True))
    wrong, checked = [], 0
    for source in _chosen(fetch.read_manifest(manifest or fetch.MANIFEST), names).values():
        for file in source.files:
            if file.path in store.receipts or (file.unpack is None and store.has(file)):
                wrong += store.verify(file)
                checked += 1
    print(f"{checked} downloads checked, {len(wrong)} files differ")
    for sentence in wrong:
        print(f"anomark: {sentence}", file=sys.stderr)
    if wrong:
        raise typer.Exit(1)


@overload
def _data_folder(root: Path | None, required: Literal[True]) -> Path: ...
@overload
def _data_folder(root: Path | None) -> Path | None: ...
def _data_folder(root: Path | None, required: bool = False) -> Path | None:
    """The data folder of the option or of ANOMARK_DATA."""
    named = root or os.environ.get("ANOMARK_DATA")
    if named is None and required:
        raise AnomarkError("no data folder is named; set ANOMARK_DATA or give --root")
    return Path(named).expanduser() if named else None


def _chosen(sources: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
    """The sources that bear a name or hold a family of that name, and single files of others; all without names."""
    from anomark.suite.registry import nearest

    chosen, known = {}, set()
    for key, source in sources.items():
        files = {f"{key}-{file.name}": file for file in source.files}
        known |= {key, *source.families, *files}
        if not names or {key, *source.families} & set(names):
            chosen[key] = source
        elif some := [file for name, file in files.items() if name in names]:
            chosen[key] = source.model_copy(update={"files": some})
    for name in names or ():
        if name not in known:
            raise AnomarkError(f"nothing is fetched for {name!r}; {nearest(name, sorted(known))}")
    return chosen


def _is_here(dataset: Any, root: Path) -> bool:
    from anomark.contracts import DataError
    from anomark.data.rawfiles import locate

    try:
        locate(root, dataset.family.files, **({"item": dataset.item} | dataset.overrides))
    except DataError:
        return False
    return True


def _size(count: int) -> str:
    """Bytes for people: 5.3 GB."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} B"


@app.command()
@_plain_errors
def run(dataset: str, method: str, seed: int = 0, suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Run one cell: prepare its data if need be, fit, score, and keep the result under its key."""
    from anomark.stages import cell as cells
    from anomark.stages import prepare
    from anomark.suite import registry
    from anomark.suite.config import load
    from anomark.suite.plan import Plan

    base = load(*suite)
    registry.find_dataset(dataset), registry.find_method(method)
    chosen = base.model_copy(update={"datasets": [dataset], "include": [method], "exclude": [], "seeds": [seed]})
    plan = Plan(chosen)
    for row in plan.not_applicable:
        if row["method"] == method:
            raise AnomarkError(f"{method} does not apply to {dataset}: {row['reason']}")
    cell = next(c for c in plan.cells if c.method == method)
    data = plan.data[dataset]
    if not (Path(data.folder) / "meta.json").exists():
        prepare.write_data(asdict(data))
    if plan.features and cell.features and not Path(cell.features).exists():
        from anomark.stages.features import write_features

        write_features(asdict(plan.features), Path(cell.features))
    if cell.exists:
        record = json.loads((Path(cell.folder) / "fit.json").read_text())
        print(f"already there: {cell.folder}")
    else:
        record = cells.run_cell(asdict(cell), base.limits.model_dump())
    print(f"{record['status']}: {cell.folder}")
    if record["status"] not in ("done", "skipped"):
        print(record["reason"], file=sys.stderr)
        raise typer.Exit(1)
    if record["status"] == "done":
        cost = record["cost"]
        print(
            f"fit {cost['fit_seconds']:.2f} s, score {cost['score_seconds']:.2f} s, "
            f"peak {cost['peak_memory_mb']:.0f} MB, seed {record['seed']}"
        )


@app.command()
@_plain_errors
def evaluate(suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Evaluate the stored scores of a suite again (its cells must exist)."""
    from anomark.stages import evaluate as stage
    from anomark.stages import prepare

    plan = _plan(suite)
    if missing := [path for path in plan.outputs if not Path(path).exists()]:
        raise AnomarkError(f"{missing[0]} and {len(missing) - 1} more files are missing; run snakemake first")
    plan.write()
    jobs = json.loads((Path(plan.folder) / "plan.json").read_text())
    for dataset, data in plan.data.items():
        if not (Path(data.folder) / "meta.json").exists():
            prepare.write_data(asdict(data))
        if not Path(data.labels).exists():
            prepare.write_labels(asdict(data))
        stage.evaluate(jobs, dataset, Path(plan.folder) / "evaluation" / dataset)
        print(f"{plan.folder}/evaluation/{dataset}")


@app.command()
@_plain_errors
def report(
    suite: SuiteOption = DEFAULT_SUITE,
    format: Annotated[str | None, typer.Option(help="Print the tables as md, tex, csv, html or json.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of results.json.")] = False,
) -> None:
    """Build a suite's report from its evaluations, or print its tables in one format."""
    from anomark.report import machine
    from anomark.report.render.formats import FORMATS
    from anomark.stages import report as stage
    from anomark.suite import registry

    if schema:
        print(machine.schema(), end="")
        return
    plan = _plan(suite)
    forms = (*FORMATS, "json")
    if format is not None and format not in forms:
        raise AnomarkError(f"unknown format {format!r}; {registry.nearest(format, forms)}")
    evaluation = Path(plan.folder) / "evaluation"
    for dataset in plan.data:
        if not (evaluation / dataset / "metrics.csv").exists():
            raise AnomarkError(f"{evaluation / dataset}: no evaluation; run snakemake, or `anomark evaluate`")
    plan.write()
    inputs = ["--suite-json", f"{plan.folder}/suite.json", "--evaluation", str(evaluation)]
    stage.main([*inputs, "--out", plan.report, "--results", plan.folder])
    if format is None:
        print(f"{plan.report}/index.html")
    elif format == "json":
        print((Path(plan.report) / "results.json").read_text(), end="")
    else:
        for path in sorted((Path(plan.report) / "tables").glob(f"*.{format}")):
            print(path.read_text())


@app.command()
@_plain_errors
def why(dataset: str, method: str, suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Say which part of a key changed since the last stored cell, and what would run."""
    from anomark.suite import registry

    plan = _plan(suite)
    registry.find_method(method), registry.find_dataset(dataset)
    cells = [c for c in plan.cells_of(dataset) if c.method == method]
    if not cells:
        raise AnomarkError(f"the suite {plan.suite.suite} has no cell of {method} on {dataset}")
    for cell in cells:
        if cell.exists:
            print(f"seed {cell.seed}: stored under its key {cell.key}; nothing would run")
            continue
        print(f"seed {cell.seed}: would run, {_difference(cell)}")


def _difference(cell: Any) -> str:
    """What distinguishes a cell from the latest stored one of the same seed."""
    folder = Path(cell.folder).parent
    stored = sorted(folder.glob(f"{cell.seed}-*/fit.json"), key=lambda p: p.stat().st_mtime)
    if not stored:
        return "it was never computed"
    old = json.loads(stored[-1].read_text())["parts"]
    new = json.loads(json.dumps(cell.parts, default=str))
    changes = []
    for part in new:
        if old.get(part) == new[part]:
            continue
        if isinstance(new[part], dict):
            before = old.get(part) or {}
            for name in sorted(before.keys() | new[part].keys()):
                if before.get(name) != new[part].get(name):
                    shown = "" if part == "sources" else f" {before.get(name)!r} -> {new[part].get(name)!r}"
                    changes.append(f"{part}: {name}{shown}")
        elif part == "data":
            changes.append("data: the dataset's recipe or files")
        else:
            changes.append(f"{part}: {old.get(part)!r} -> {new[part]!r}")
    return "changed since the last one: " + "; ".join(changes) if changes else "its files were deleted"


@app.command()
@_plain_errors
def check(file: Path) -> None:
    """Run the contract tests on one dropped-in method or dataset; print what fails and why."""
    from anomark.checks.run import check_file

    failures = 0
    with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):  # progress of many tiny trainings
        for name, problem in check_file(file):
            print(f"{'FAIL' if problem else 'ok  '} {name}{f': {problem}' if problem else ''}")
            failures += bool(problem)
    if failures:
        raise typer.Exit(1)


@app.command()
@_plain_errors
def gc(
    bad: Annotated[
        bool, typer.Option("--bad", help="Drop instead the cells with a bad outcome, to try them again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")] = False,
    suite: Annotated[list[Path] | None, typer.Option("--suite", help="More suite files whose cells to keep.")] = None,
) -> None:
    """Drop cells and sweeps that no suite addresses. Datasets whose data isn't at hand keep all of theirs."""
    from anomark.stages.verdict import GOOD
    from anomark.suite import config
    from anomark.suite.plan import Plan

    root = Path(os.environ.get("ANOMARK_CELLS") or "results/cells")
    cells = sorted(p for p in root.glob("*/*/*") if p.is_dir())
    sweeps = sorted(Path("results/sweeps").glob("*/*/*.npz"))
    if bad:  # a refusal would only come again
        drop = [p for p in cells if _status(p) not in (*GOOD, "refused")] + [p for p in sweeps if not _swept(p)]
    else:
        keep: set[str] = set()
        unknown: set[str] = set()
        for name in [*config.suites(), *map(str, suite or [])]:
            loaded = config.load(name)
            for dataset in loaded.datasets:
                try:
                    plan = Plan(loaded.model_copy(update={"datasets": [dataset]}))
                except AnomarkError as error:
                    print(f"{name}: kept all cells of {dataset}: {error}", file=sys.stderr)
                    unknown.add(dataset)
                    continue
                keep |= {*(cell.folder for cell in plan.cells), *plan.sweeps}
        drop = [
            p
            for p in [*cells, *sweeps]
            if str(p) not in keep and not any(fnmatch.fnmatch(p.parts[-3], name) for name in unknown)
        ]
    size = sum(f.stat().st_size for p in drop for f in [p, *p.rglob("*")] if f.is_file())
    for path in drop:
        print(path)
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    dropped = len([p for p in drop if p.suffix != ".npz"])
    print(
        f"{'would drop' if dry_run else 'dropped'} {dropped} of {len(cells)} cells and "
        f"{len(drop) - dropped} of {len(sweeps)} sweeps, {size / 2**20:.1f} MiB"
    )


def _status(folder: Path) -> str:
    try:
        return str(json.loads((folder / "fit.json").read_text())["status"])
    except (OSError, ValueError):
        return "incomplete"


def _swept(path: Path) -> bool:
    """Whether a sweep holds errors, not a reason why there are none."""
    import numpy as np

    with np.load(path) as stored:
        return "errors" in stored


@app.command()
@_plain_errors
def docs() -> None:
    """Write config/README.md from the schema."""
    from anomark.suite.config import documentation

    (ROOT / "config/README.md").write_text(documentation(), encoding="utf-8")


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _print_columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(value).ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    app()
