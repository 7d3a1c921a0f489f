"""Reference results: merges what a suite's run computed into `reports/reference/<suite>/`, and reads it back.

A long suite is run in pieces on several machines, so a folder of reference results grows by merging. A row is what one
cell gave. A row that is there already for the same dataset, method and seed is replaced; all others stay.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anomark import seals, spreadsheet
from anomark.contracts import Array, DataError
from anomark.evaluation.measure import Measured
from anomark.files import replacing
from anomark.records import Meta, Summary
from anomark.reference import scores
from anomark.report.machine import to_json
from anomark.report.render.draw import draw_picture
from anomark.report.render.formats import render
from anomark.report.results import Results, load_results, with_drawn
from anomark.report.section import Drawing, build_sections
from anomark.report.table import Table
from anomark.suite import registry
from anomark.suite.papers import find_paper
from anomark.suite_records import SuiteRecord

#: The tables of numbers that are merged.
METRICS, COVERAGE, SWEEP, ANYTIME = "metrics.csv", "coverage.csv", "sweep.csv", "anytime.csv"
#: What names a row of each of them.
CELL = ["dataset", "method", "seed"]
#: A line of a legend or a sentence on a commit shows so much of it.
SHORT = 10


@dataclass(frozen=True)
class Added:
    """What a merge did: rows that are new, that took the place of another, and that stayed as they were."""

    folder: Path
    new: int
    replaced: int
    kept: int


def add(results: Path, out: Path, replace: bool = False) -> Added:
    """Merge the evaluation of a suite into its reference results.

    Args:
        results: the folder `results/<suite>` of a run that is finished.
        out: the folder of the reference results; made if need be.
        replace: drop rows that were made on other data than the new ones of the same dataset.

    Raises:
        DataError: the run is not finished, is outside of git, or is on other data than the reference has.
    """
    run = load_results(results / "suite.json", results / "evaluation")
    if run.suite.commit is None:
        raise DataError(f"{results / 'suite.json'}: it names no commit; run the suite in a checkout that git knows")
    for dataset in run.suite.datasets:
        seals.verify(results / "evaluation" / dataset)
    commit = run.suite.commit + "-modified" * bool(run.suite.modified)
    outcomes = run.outcomes
    own = outcomes[outcomes["reference"].isna()] if "reference" in outcomes else outcomes
    own = own.assign(reference=commit)
    new = pd.MultiIndex.from_frame(own[CELL])

    old = {name: _table(out / name) for name in (METRICS, COVERAGE, SWEEP, ANYTIME)}
    stays = _stays(old[COVERAGE], own, new, out, replace)
    merged = {COVERAGE: _merge(old[COVERAGE], own, stays)}
    for name, table in ((METRICS, run.metrics), (SWEEP, run.sweep), (ANYTIME, run.anytime)):
        merged[name] = _merge(old[name], table[pd.MultiIndex.from_frame(table[CELL]).isin(new)], stays)

    out.mkdir(parents=True, exist_ok=True)
    for name, table in merged.items():
        with replacing(out / name) as partial:
            partial.write_text(spreadsheet.write(table), encoding="utf-8")
    known = pd.MultiIndex.from_frame(merged[COVERAGE][CELL])
    for dataset in run.suite.datasets:
        source = results / "evaluation" / dataset / "scores.npz"
        if source.exists():  # of a refused dataset and of one without labels nothing can be compared
            _merge_scores(source, out / "scores" / f"{dataset}.npz", dataset, known)
    _merge_summaries(run, out / "summaries.json")
    _merge_suite(run.suite, out / "suite.json", merged[COVERAGE])
    write_report(out)
    replaced = int(pd.MultiIndex.from_frame(old[COVERAGE][CELL]).isin(new).sum())
    return Added(out, len(own) - replaced, replaced, len(stays))


def _table(path: Path, *columns: str) -> pd.DataFrame:
    """A table of a reference; where there is none, an empty one with these columns beside those of a cell."""
    if not path.exists():
        return pd.DataFrame(columns=[*CELL, *columns])
    table = spreadsheet.read(path)
    return table.assign(seed=table["seed"].astype("Int64"))


def _stays(old: pd.DataFrame, own: pd.DataFrame, new: pd.MultiIndex, out: Path, replace: bool) -> pd.MultiIndex:
    """The cells of the reference that nothing replaces and that are of the same data as what is new.

    Raises:
        DataError: some are of other data, and `replace` doesn't say that they go.
    """
    rest = old[~pd.MultiIndex.from_frame(old[CELL]).isin(new)]
    keys = own.dropna(subset=["data"]).drop_duplicates("dataset").set_index("dataset")["data"]
    today = rest["dataset"].map(keys)
    there = rest["data"] if "data" in rest else pd.Series(None, rest.index, dtype=object)
    has_cell = rest["key"].notna() if "key" in rest else pd.Series(False, rest.index)
    other = has_cell & today.notna() & (there.fillna("") != today.fillna(""))
    if other.any() and not replace:
        first = rest[other].iloc[0]
        raise DataError(
            f"{out}: {int(other.sum())} rows, such as {first['method']} on {first['dataset']}, were made on data with "
            f"the key {there.fillna('')[other].iloc[0] or 'unknown'}, the new ones on {today[other].iloc[0]}; nothing "
            "was changed; drop those rows with --replace"
        )
    return pd.MultiIndex.from_frame(rest[~other][CELL])


def _merge(old: pd.DataFrame, new: pd.DataFrame, stays: pd.MultiIndex) -> pd.DataFrame:
    """The old rows that stay and the new ones, in the order of their cells."""
    kept = old[pd.MultiIndex.from_frame(old[CELL]).isin(stays)]
    parts = [part for part in (kept, new) if len(part)] or [new]
    return pd.concat(parts, ignore_index=True).sort_values(CELL, kind="stable", ignore_index=True)


def _merge_scores(source: Path, target: Path, dataset: str, known: pd.MultiIndex) -> None:
    if not source.exists():  # nobody knows the labels
        return
    truth, cells = scores.read(source)
    if target.exists():
        cells = scores.read(target)[1] | cells
    wanted = {scores.place(method, seed) for name, method, seed in known if name == dataset and not pd.isna(seed)}
    target.parent.mkdir(exist_ok=True)
    with replacing(target) as partial, partial.open("wb") as file:
        scores.write(file, truth, {name: cells[name] for name in sorted(cells) if name in wanted})


def _merge_summaries(run: Results, path: Path) -> None:
    """Write what the report says of each dataset beside the numbers."""
    summaries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for dataset in run.suite.datasets:
        params = summaries.get(dataset, {}).get("method_params", {})
        new = run.summaries[dataset].model_dump(mode="json")
        summaries[dataset] = new | {"method_params": params | new["method_params"]}
    with replacing(path) as partial:
        partial.write_text(json.dumps(summaries, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _merge_suite(suite: SuiteRecord, path: Path, coverage: pd.DataFrame) -> None:
    """Write suite.json: the configuration and the environment of the newest run, the methods and datasets of all."""
    old = SuiteRecord.load(path) if path.exists() else suite
    listed = {method.id: method for method in (*old.methods, *suite.methods)}
    there = set(coverage["method"])
    suite.model_copy(
        update={
            "methods": tuple(method for name, method in sorted(listed.items()) if name in there),
            "datasets": tuple(dict.fromkeys((*suite.datasets, *old.datasets))),
            "seeds": tuple(sorted({*suite.seeds, *old.seeds})),
            "absent": {},
            "left_out": (),
        }
    ).save(path)


# -- reading -----------------------------------------------------------------------------------------------------------


def load(folder: Path, compared: bool = True) -> Results:
    """Reference results as the sections of a report read them. What is drawn of single samples is not there.

    Args:
        compared: resample the stored scores, so that methods can be compared.

    Raises:
        DataError: a file is missing or damaged.
    """
    suite = SuiteRecord.load(folder / "suite.json")
    outcomes = _table(folder / COVERAGE).drop(columns="reference", errors="ignore")
    summaries = _summaries(folder, suite)
    return Results(
        suite=suite,
        metrics=_table(folder / METRICS),
        outcomes=outcomes,
        roc=pd.DataFrame(columns=[*CELL, "fpr", "tpr"]),
        training=pd.DataFrame(columns=[*CELL, "loop", "step", "part", "loss"]),
        anytime=_table(folder / ANYTIME, "steps", "core_seconds", "auroc"),
        sweep=_table(folder / SWEEP, "differs", "auroc", "failed"),
        replicates=_replicates(folder, summaries, suite) if compared else {},
        summaries=with_drawn(summaries),
        evaluation=folder / "evaluation",
        papers=[find_paper(name) for name in suite.papers],
    )


def commits(folder: Path) -> list[str]:
    """The commits that computed the rows, shortened."""
    coverage = _table(folder / COVERAGE)
    known = [*coverage["reference"].dropna().unique()] if "reference" in coverage else []
    return [*dict.fromkeys(str(commit)[:SHORT] for commit in known)] or [
        str(SuiteRecord.load(folder / "suite.json").commit)[:SHORT]
    ]


def _summaries(folder: Path, suite: SuiteRecord) -> dict[str, Summary]:
    """What is known of each dataset; of a reference that was made before this was kept, what its file says today."""
    path = folder / "summaries.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    looks = any(method.track.startswith("pretrained") for method in suite.methods)
    found = {}
    for name in suite.datasets:
        if name in stored:
            found[name] = Summary.model_validate(stored[name])
            continue
        dataset = registry.find_dataset(name)
        family = dataset.family
        found[name] = Summary(
            dataset=name,
            base=dataset.base,
            protocol=dataset.protocol,
            label=dataset.label,
            name=family.name,
            modality=family.modality,
            level=family.level,
            f=suite.config.get("features") if looks else None,
        )
    return found


def _replicates(folder: Path, summaries: dict[str, Summary], suite: SuiteRecord) -> dict[tuple[str, str], Array]:
    """The AUROC of each method on resampled test units, from the scores that are stored."""
    found: dict[tuple[str, str], Array] = {}
    for dataset in suite.datasets:
        path, summary = folder / "scores" / f"{dataset}.npz", summaries[dataset]
        if not path.exists():
            continue
        truth, cells = scores.read(path)
        starts = None if truth.starts is None else tuple(truth.starts.tolist())
        meta = Meta(
            dataset=dataset,
            modality=summary.modality,
            level=summary.level,
            window=summary.window,
            test_starts=starts,
        )
        known = {name: part for name, part in truth._asdict().items() if part is not None}
        measured = Measured(meta, known, len(truth.labels))
        by_method: dict[str, list[Array]] = {}
        for name, values in cells.items():
            by_method.setdefault(name.rpartition("/")[0], []).append(measured.merge(values))
        found |= {(dataset, method): drawn for method, drawn in measured.replicates(by_method).items()}
    return found


def write_report(folder: Path) -> None:
    """Write results.json, every table (md, csv) and the figures of the whole suite (svg) into such a folder."""
    results = load(folder)
    parts = [part for section in build_sections(results) for part in section.parts]
    with replacing(folder / "results.json") as partial:
        partial.write_text(to_json(results), encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report-") as scratch:
        work = Path(scratch)
        for name in ("tables", "figures"):
            (work / name).mkdir()
        for table in (part for part in parts if isinstance(part, Table)):
            for form in ("md", "csv"):
                (work / "tables" / f"{table.name}.{form}").write_text(render(table, form), encoding="utf-8")
        for drawing in (part for part in parts if isinstance(part, Drawing) and not part.dataset):
            draw_picture(results, drawing, work / "figures")
        for path in (work / "figures").iterdir():
            if path.suffix != ".svg":
                path.unlink()
        for name in ("tables", "figures"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (work / name).rename(folder / name)
