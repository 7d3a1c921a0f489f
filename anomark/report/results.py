"""What `evaluate` wrote about one suite, read once and asked many times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from anomark import modality
from anomark.contracts import Array, DataError
from anomark.outcomes import Outcome
from anomark.records import SYNTHETIC, Summary
from anomark.report.score import NO_LABELS, Score, average, over_draws
from anomark.spreadsheet import read_all
from anomark.suite.papers import PAPERS, Paper, find_paper
from anomark.suite_records import MethodInfo, MetricInfo, SuiteRecord

#: The control that reads the labels; it checks the harness and competes with nobody.
ORACLE = "oracle"


@dataclass(frozen=True)
class Results:
    """Everything the report is made from.

    metrics, outcomes, roc, training, anytime, sweep
        The datasets' tables of the same names, one below the other.
    replicates
        (dataset, method) -> (B,) mean AUROC over seeds on replicates of the test set, shared by a dataset's methods.
    summaries
        Per dataset: modality, level, counts, random band, choices, ... A variant that is drawn anew for each seed
        stands here too, beside its draws, with what the first of them says.
    papers
        The papers of the suite, in its order.
    """

    suite: SuiteRecord
    metrics: pd.DataFrame
    outcomes: pd.DataFrame
    roc: pd.DataFrame
    training: pd.DataFrame
    anytime: pd.DataFrame
    sweep: pd.DataFrame
    replicates: dict[tuple[str, str], Array]
    summaries: dict[str, Summary]
    evaluation: Path
    papers: list[Paper]

    @property
    def seeds(self) -> int:
        return len(self.suite.seeds)

    @cached_property
    def published(self) -> dict[tuple[str, str], float]:
        """(dataset, method) -> published AUROC; where two papers have the cell, the one that the suite names first."""
        return {cell: printed.value for paper in reversed(self.papers) for cell, printed in paper.numbers.items()}

    def paper_methods(self, modality: str) -> dict[str, str]:
        """Method id -> what the papers call it, of every column of their tables of a modality, in their order."""
        tables = [table for paper in self.papers for table in paper.tables_of(modality)]
        names = [(method, label) for table in tables for method, label in table.columns.items()]
        first = dict(reversed(names))
        return {method: first[method] for method, _ in names}

    @cached_property
    def methods(self) -> dict[str, MethodInfo]:
        """Methods in the suite's order, then controls."""
        listed = {method.id: method for method in self.suite.methods}
        for method in self.outcomes["method"].unique():  # the oracle lives in evaluate, not among the suite's methods
            kind: Literal["control", "method"] = "control" if method == ORACLE else "method"
            listed.setdefault(method, MethodInfo(id=method, label=method, kind=kind))
        return dict(sorted(listed.items(), key=lambda item: item[1].is_control))

    @cached_property
    def rivals(self) -> list[str]:
        """Ids of the methods that compete for a rank."""
        return [method.id for method in self.methods.values() if method.is_rival]

    @cached_property
    def controls(self) -> list[str]:
        """Ids of the controls, the oracle aside."""
        return [method.id for method in self.methods.values() if method.is_control and method.id != ORACLE]

    @property
    def chance(self) -> list[str]:
        """Ids of the controls whose scores know nothing."""
        return [method.id for method in self.methods.values() if method.family == "chance"]

    @property
    def tracks(self) -> list[str]:
        """The tracks of the methods, in the suite's order."""
        return list(dict.fromkeys(method.track for method in self.methods.values() if not method.is_control))

    def names(self, methods: Iterable[str]) -> str:
        """The labels of methods, for a sentence."""
        return ", ".join(self.methods[method].label for method in methods)

    @cached_property
    def metrics_info(self) -> dict[str, MetricInfo]:
        """What the suite's metrics say of themselves; of one that says nothing only its id is known."""
        listed = {metric.id: metric for metric in self.suite.metrics}
        return listed | {m: MetricInfo(id=m, label=m) for m in self.metrics["metric"].unique() if m not in listed}

    @cached_property
    def datasets(self) -> dict[str, Summary]:
        """The datasets that have numbers, in the suite's order; variants, which no table but one knows, aside."""
        return {dataset: summary for dataset, summary in self.prepared.items() if summary.labelled}

    @cached_property
    def unlabelled(self) -> dict[str, Summary]:
        """The datasets that have scores and no numbers, since nobody knows their labels, in the suite's order."""
        return {dataset: summary for dataset, summary in self.prepared.items() if not summary.labelled}

    @cached_property
    def prepared(self) -> dict[str, Summary]:
        """The datasets that were scored, with labels or without, in the suite's order; variants aside."""
        known = (dataset for dataset in self.suite.datasets if dataset not in self.refused)
        return {dataset: self.summaries[dataset] for dataset in known if not self.summaries[dataset].protocol}

    @cached_property
    def variants(self) -> dict[str, list[str]]:
        """The suite's datasets that have variants, each with these, refused ones among them.

        A variant that is drawn anew for each seed stands for its draws.
        """
        found: dict[str, list[str]] = {}
        for dataset in self.suite.datasets:
            summary = self.summaries[dataset]
            if summary.protocol and summary.protocol != SYNTHETIC:
                found.setdefault(summary.base, []).append(summary.draw_of or dataset)
        return {base: list(dict.fromkeys(variants)) for base, variants in found.items()}

    @cached_property
    def synthetic(self) -> dict[str, str]:
        """The datasets of the suite, each with that of synthetic anomalies, where it has one."""
        made = {s.base: dataset for dataset, s in self.summaries.items() if s.protocol == SYNTHETIC and not s.refused}
        return {dataset: made[dataset] for dataset in self.prepared if dataset in made}

    @cached_property
    def draws(self) -> dict[str, list[str]]:
        """The variants that are drawn anew for each seed, each with the datasets that are its draws."""
        found: dict[str, list[str]] = {}
        for dataset in self.suite.datasets:
            if variant := self.summaries[dataset].draw_of:
                found.setdefault(variant, []).append(dataset)
        return found

    @cached_property
    def refused(self) -> dict[str, str]:
        """The datasets that could not be prepared, and why."""
        return {dataset: summary.refused for dataset, summary in self.summaries.items() if summary.refused}

    def featured(self, name: str) -> list[str]:
        """Methods that a picture shows first: those highlighted, then those of the suite's papers."""
        return list(dict.fromkeys([*self.suite.highlight, *self.paper_methods(name)]))

    def of_modality(self, name: str) -> list[str]:
        return [dataset for dataset, summary in self.datasets.items() if summary.modality == name]

    def label(self, dataset: str) -> str:
        return str(self.summaries[dataset].label or dataset)

    @cached_property
    def modalities(self) -> list[str]:
        """The modalities of the datasets, in the order that they give themselves."""
        found = {summary.modality for summary in self.datasets.values()}
        return [name for name in modality.ids() if name in found]

    def noun(self, name: str) -> str:
        """What the samples of a modality are called in a sentence."""
        return modality.load(name).NOUN

    @cached_property
    def _values(self) -> dict[tuple[str, str, str], dict[int, float]]:
        values: dict[tuple[str, str, str], dict[int, float]] = {}
        for row in self.metrics.dropna(subset=["value"]).to_dict("records"):
            seed = 0 if pd.isna(row["seed"]) else int(row["seed"])
            values.setdefault((row["dataset"], row["method"], row["metric"]), {})[seed] = float(row["value"])
        return values

    @cached_property
    def _outcomes(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {(str(d), str(m)): rows for (d, m), rows in self.outcomes.groupby(["dataset", "method"], sort=False)}

    def outcome(self, dataset: str, method: str) -> pd.DataFrame:
        """The rows of outcomes.csv of one method on one dataset, one a seed; empty where it isn't in the suite."""
        rows = [self._outcomes.get((d, method), self.outcomes.iloc[:0]) for d in self.draws.get(dataset, [dataset])]
        return rows[0] if len(rows) == 1 else pd.concat(rows)

    @cached_property
    def _ends(self) -> dict[tuple[str, str], Score]:
        """How the cells of each method on each dataset ended, still without numbers."""
        return {
            key: Score(
                *worst(rows),
                seeds=len(rows),
                deterministic=bool(rows["deterministic"].map(_truth).all()),
                reference=next(iter(self.commits(rows)), ""),
            )
            for key, rows in self._outcomes.items()
        }

    @staticmethod
    def commits(outcomes: pd.DataFrame) -> list[str]:
        """The commits of the reference results among rows of outcomes.csv."""
        return [*outcomes["reference"].dropna().unique()] if "reference" in outcomes else []

    def score(self, dataset: str, method: str, metric: str = "auroc") -> Score:
        if dataset in self.draws:
            return over_draws(self.score(draw, method, metric) for draw in self.draws[dataset])
        end = self._ends.get((dataset, method))
        if end is None:
            return Score("not in suite", "the suite has no such cell")
        by_seed = self._values.get((dataset, method, metric), {})
        if not self.summaries[dataset].labelled:
            return replace(end, status=NO_LABELS if end.status == "done" else end.status)
        if not by_seed and end.status == "done":
            if reason := self.summaries[dataset].failed_metrics.get(metric):
                return Score("failed", reason)
            return Score("undefined", f"{metric} is not defined for these scores and labels")
        return replace(end, by_seed=by_seed)

    def cost(self, dataset: str, method: str, column: str) -> float | None:
        """Mean over seeds of a numeric column of outcomes.csv, None where nothing was recorded."""
        values = pd.to_numeric(self.outcome(dataset, method)[column], errors="coerce").dropna()
        return float(values.mean()) if len(values) else None

    def course(self, dataset: str, method: str) -> pd.DataFrame:
        """Means over seeds at the points of its training that a method was scored at, in rising order of the steps.

        Columns are steps, seconds, core_seconds and auroc. There is no row where it was scored at the end alone.
        """
        rows = self.anytime[(self.anytime["dataset"] == dataset) & (self.anytime["method"] == method)]
        found = rows.groupby("seed")["steps"].transform("size")
        rows = rows[found == found.max()]  # a seed may have diverged on the way
        to_come = rows.groupby("seed").cumcount(ascending=False)  # a method may stop before its budget is spent
        means = rows.groupby(to_come)[["steps", "seconds", "core_seconds", "auroc"]].mean().iloc[::-1]
        return means if len(means) > 1 else means.iloc[:0]

    def means(self, dataset: str, methods: Iterable[str] | None = None, metric: str = "auroc") -> dict[str, float]:
        """Mean over seeds of a metric, of those methods (all of them, unless told) that have a number."""
        scores = {m: self.score(dataset, m, metric).mean for m in (self.methods if methods is None else methods)}
        return {method: mean for method, mean in scores.items() if mean is not None}

    def differences(self, published: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
        """Measured minus published mean AUROC of each (dataset, method) that has been measured."""
        means = {cell: self.score(*cell).mean for cell in published}
        return {cell: mean - published[cell] for cell, mean in means.items() if mean is not None}

    def averages(self, name: str) -> dict[str, Score]:
        """Mean AUROC over the datasets of a modality, of each method and control that has all of them."""
        scores = {m: average(self.score(d, m) for d in self.of_modality(name)) for m in self.methods if m != ORACLE}
        return {method: score for method, score in scores.items() if score}

    def strongest(self, dataset: str, methods: Iterable[str]) -> str | None:
        """Of these methods the one with the highest mean AUROC."""
        means = self.means(dataset, methods)
        return max(means, key=lambda method: means[method]) if means else None

    def best_control(self, dataset: str) -> tuple[str, float] | None:
        """The strongest control (the oracle aside) and its mean AUROC: the bar a method has to clear."""
        return max(self.means(dataset, self.controls).items(), key=lambda item: item[1], default=None)


def worst(rows: pd.DataFrame) -> tuple[str, str]:
    """The worst status among the seeds' rows, and the reason that came with it."""
    records = rows[["status", "reason"]].astype(object).fillna("").to_dict("records")
    row = min(records, key=lambda record: Outcome(record["status"]).rank)
    return str(row["status"]), str(row["reason"])


def load_results(suite_json: Path, evaluation: Path, papers: Path = PAPERS) -> Results:
    """Read results/<suite>/suite.json, the evaluation folder beside it, and the suite's papers.

    Raises:
        DataError: a file is missing or is not what `evaluate` writes.
    """
    suite = SuiteRecord.load(suite_json)
    folders = [evaluation / dataset for dataset in suite.datasets]
    return Results(
        suite=suite,
        metrics=read_all(folders, "metrics.csv", ["dataset", "method", "seed", "metric", "value", "level"]),
        outcomes=read_all(folders, "outcomes.csv", ["dataset", "method", "seed", "status", "reason"]),
        roc=read_all(folders, "roc.csv", ["dataset", "method", "seed", "fpr", "tpr"]),
        training=read_all(folders, "training.csv", ["dataset", "method", "seed", "loop", "step", "part", "loss"]),
        anytime=read_all(folders, "anytime.csv", ["dataset", "method", "seed", "steps", "core_seconds", "auroc"]),
        sweep=read_all(folders, "sweep.csv", ["dataset", "method", "seed", "differs", "auroc", "failed"]),
        replicates={
            (folder.name, method): values
            for folder in folders
            for method, values in _read_arrays(folder / "bootstrap.npz").items()
        },
        summaries=with_drawn({folder.name: Summary.load(folder / "summary.json") for folder in folders}),
        evaluation=evaluation,
        papers=[find_paper(name, papers) for name in suite.papers],
    )


def with_drawn(summaries: dict[str, Summary]) -> dict[str, Summary]:
    """The summaries, and of each variant that is drawn anew for each seed one more, of all its draws."""
    drawn: dict[str, Summary] = {}
    for dataset, summary in summaries.items():
        if variant := summary.draw_of:
            ending = f", draw {dataset.removeprefix(f'{variant}-')}"
            says = {name: getattr(summary, name).removesuffix(ending) for name in ("protocol", "label")}
            drawn.setdefault(variant, summary.model_copy(update={"dataset": variant, "draw_of": ""} | says))
    return summaries | drawn


def _read_arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; evaluate the dataset before reporting it") from None


def _truth(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "1.0")
