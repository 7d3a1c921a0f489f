"""What the tables of the report share, and the leaderboard of every method on every dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from anomark.report.comparisons import difference
from anomark.report.metrics import (
    HEADLINE,
    alarm_metrics,
    failure_notes,
    further_metrics,
    metric_notes,
    reading_metrics,
)
from anomark.report.results import (
    ORACLE,
    RANDOM,
    SEEDS_FOR_INTERVAL,
    Results,
    Score,
)
from anomark.report.table import Cell, Column, Row, Table, number, signed
from anomark.statistics.false_alarms import ALPHA
from anomark.suite_records import MetricInfo

#: What a method costs, as outcomes.csv names it.
COSTS = ("fit_seconds", "seconds_per_sample", "network_calls", "flops_per_sample", "parameters", "peak_memory_mb")
#: No number, and nothing went wrong.
EXPECTED = ("not in suite", "n/a", "incomplete", "undefined")
TIED = "≈"
TIED_NOTE = f"{TIED} not distinguishable from the best method of its track (paired bootstrap, p ≥ .05)."
FOOTNOTE = "† below the strongest control of its dataset (the oracle aside)."


# -- ranking -----------------------------------------------------------------------------------------------------------


def ranks(results: Results, dataset: str) -> dict[str, int]:
    """Rank of each method that has a score, from 1, within its track; equal to three digits, equal in rank.

    Variants have none.
    """
    ranked: dict[str, int] = {}
    means = {
        method.id: round(mean, 3)
        for method in results.methods.values()
        if method.is_rival and (mean := results.score(dataset, method.id).mean) is not None
    }
    for method, mean in means.items():
        track = results.methods[method].track
        rivals = [other for name, other in means.items() if results.methods[name].track == track]
        ranked[method] = 1 + sum(other > mean for other in rivals)
    return ranked


def tied_with_best(results: Results, dataset: str, method: str, rank: dict[str, int]) -> bool:
    """Whether a method behind the best of its track cannot be told from it by the paired bootstrap."""
    if rank.get(method, 1) == 1:
        return False
    track = results.methods[method].track
    best = next(other for other, place in rank.items() if place == 1 and results.methods[other].track == track)
    test = difference(results, [(dataset, best, method)])
    return test is not None and not test.distinguishable


def below_control(results: Results, dataset: str, method: str) -> bool:
    """Whether a method's mean AUROC is lower than the strongest control's."""
    mean, bar = results.score(dataset, method).mean, results.best_control(dataset)
    info = results.methods.get(method)
    return mean is not None and bar is not None and info is not None and not info.is_control and mean < bar[1]


# -- cells and captions ------------------------------------------------------------------------------------------------


def spread(score: Score, digits: int = 3) -> str:
    """± the interval's half width; the range of two seeds; nothing for one seed or a deterministic method."""
    text = ""
    if score.ci95 is not None:
        text = f"± {number(score.ci95, digits)}"
    elif len(score.by_seed) > 1 and not score.deterministic:
        text = f"({number(score.low, digits)}–{number(score.high, digits)})"
    if 0 < len(score.by_seed) < score.seeds and not score.deterministic:
        text += f" {len(score.by_seed)}/{score.seeds} seeds"
    return text.strip()


def score_cell(
    score: Score,
    published: float | None = None,
    best: bool = False,
    below: bool = False,
    tied: bool = False,
    digits: int = 3,
) -> Cell:
    note = ""
    if published is not None:
        note = number(published) + (f" {signed(score.mean - published)}" if score.mean is not None else "")
    if score.mean is None:
        tone = "quiet" if score.status in EXPECTED else "status"
        return Cell(score.status, note=note, title=score.reason, tone=tone)
    beside = f"{spread(score, digits)} {TIED if tied else ''}".strip()
    return Cell(number(score.mean, digits), beside, note, round(score.mean, 6), score.reason, best, below)


def interval_phrase(results: Results) -> str:
    """How the numbers of a table are spread over seeds, for its caption."""
    if results.seeds >= SEEDS_FOR_INTERVAL:
        return f"mean ± 95% CI over {results.seeds} seeds (Student t)"
    return f"mean and range over {results.seeds} seeds" if results.seeds == 2 else "one seed"


def protocol(results: Results, datasets: Sequence[str]) -> str:
    """Level, seeds, split and f in one line: what a number must never stand without."""
    summaries = [results.summaries[dataset] for dataset in datasets]
    levels = sorted({summary["level"] for summary in summaries}) or ["none"]
    splits = sorted({choice for summary in summaries for choice in summary["choices"] if "split" in choice.lower()})
    networks = sorted({str(summary.get("f") or "none") for summary in summaries}) or ["none"]
    return (
        f"Level: {', '.join(levels)}; {interval_phrase(results)}, deterministic methods once; "
        f"split: fitted on normal data only, scored on all test data{''.join(f', {s}' for s in splits)}; "
        f"f: {', '.join(networks)}."
    )


def machine_fields(score: Score, column: str, published: float | None = None, paper: bool = False) -> dict[str, Any]:
    """The machine-readable columns of one score: a number, or the status in its place."""
    fields: dict[str, Any] = {
        column: digits(score.mean) or score.status,
        f"{column} ci95": digits(score.ci95),
        f"{column} low": digits(score.low),
        f"{column} high": digits(score.high),
        f"{column} seeds": len(score.by_seed),
    }
    if paper:
        difference = score.mean - published if score.mean is not None and published is not None else None
        fields |= {f"{column} published": digits(published), f"{column} difference": digits(difference)}
    return fields


def digits(value: float | None) -> str:
    """A number as CSV files have it, empty where there is none."""
    return "" if value is None else f"{value:.6f}"


def footnotes(rows: Sequence[Row]) -> list[str]:
    """What the marks in these rows mean."""
    cells = [cell for row in rows for cell in row.cells]
    marked = {
        FOOTNOTE: any(cell.below_control for cell in cells),
        TIED_NOTE: any(TIED in cell.spread for cell in cells),
    }
    return [note for note, used in marked.items() if used]


def partial_notes(results: Results, datasets: Iterable[str]) -> list[str]:
    """One note for each dataset of which only a part was there: its number stands for that part alone."""
    return [
        f"{results.summaries[dataset]['label']}: {note}."
        for dataset in datasets
        for note in results.summaries[dataset]["notes"]
        if note.startswith("partial")
    ]


# -- the same scores, read otherwise -----------------------------------------------------------------------------------


def reading_table(results: Results) -> Table:
    """Every method on every labelled series under each protocol in use, beside the random control's own number.

    A rank in each cell shows how far the choice of protocol, and not of the method, moves the order.
    """
    readings = reading_metrics(results)
    shown = [results.metrics_info[HEADLINE], *readings] if readings else []
    columns = [Column("Dataset", numeric=False), Column("Method", numeric=False)]
    columns += [Column(metric.label) for metric in shown]
    rows, data = [], []
    levels = {level for metric in readings for level in metric.levels}
    datasets = [dataset for dataset, summary in results.datasets.items() if summary["level"] in levels]
    for dataset in datasets:
        means = {
            metric.id: {
                m: s.mean for m in results.methods if (s := results.score(dataset, m, metric.id)).mean is not None
            }
            for metric in shown
        }
        control = next((method for method in RANDOM if method in means[HEADLINE]), None)
        for method in sorted(means[HEADLINE], key=lambda m: -means[HEADLINE][m]):
            if method == ORACLE:
                continue
            info = results.methods[method]
            cells = [Cell(results.label(dataset)), Cell(info.label, tone="quiet" if info.is_control else "")]
            record: dict[str, Any] = {"dataset": dataset, "method": method}
            for metric in shown:
                scores = means[metric.id]
                others = [results.methods[name] for name in scores]
                rivals = [other.id for other in others if other.is_rival and other.track == info.track]
                ahead = sum(metric.better(scores[rival], scores[method]) for rival in rivals) if method in rivals else 0
                rank = 1 + ahead if method in rivals else None
                cells.append(_reading_cell(metric, scores.get(method), rank, scores.get(control or "")))
                record |= {metric.id: digits(scores.get(method)), f"{metric.id} rank": rank or ""}
            rows.append(Row(cells, dataset, results.datasets[dataset]["modality"], method))
            data.append(record)
    caption = (
        "The same scores under other protocols, higher is better unless said otherwise; small print: rank within its "
        f"track, and the random control's own number where a random score does well. {metric_notes(readings)} "
        f"{protocol(results, datasets)}"
    )
    notes = failure_notes(results, shown) if rows else ["This suite has no dataset with other protocols to read."]
    frame = pd.DataFrame(data) if data else pd.DataFrame(columns=["dataset", "method"])
    return Table("readings", "Readings", caption, columns, rows, frame, notes)


def _reading_cell(metric: MetricInfo, value: float | None, rank: int | None, random: float | None) -> Cell:
    if value is None:
        return Cell("–", tone="quiet")
    notes = [f"rank {rank}"] if rank else []
    if metric.flattering and random is not None:
        notes.append(f"random {number(random, metric.digits)}")
    return Cell(number(value, metric.digits), note=", ".join(notes), sort=round(value, 6), best=rank == 1)


# -- at one threshold --------------------------------------------------------------------------------------------------


def alarm_table(results: Results) -> Table:
    """False-alarm rate and recall of every method at a threshold without labels, beside those at the oracle's."""
    alarms = alarm_metrics(results)
    columns = [Column("Dataset", numeric=False), Column("Method", numeric=False)]
    columns += [Column(metric.label) for metric in alarms]
    measured = set(results.metrics[["dataset", "method", "metric"]].itertuples(index=False, name=None))
    rows, data = [], []
    for dataset, summary in results.datasets.items():
        held_out = f"{summary['n_valid']} held-out {'windows' if summary['window'] else summary['level'] + 's'}"
        found = []
        for method, info in results.methods.items():
            if method == ORACLE or not results.score(dataset, method):
                continue
            cells = [Cell(results.label(dataset)), Cell(info.label, tone="quiet" if info.is_control else "")]
            record: dict[str, Any] = {"dataset": dataset, "method": method}
            missing = True
            for metric in alarms:
                score = results.score(dataset, method, metric.id)
                if (dataset, method, metric.id) not in measured:
                    score = Score("n/a", "trained on all normals")
                elif score.status == "undefined":
                    score = replace(
                        score, reason=f"a threshold of {ALPHA:.0%} takes {1 / ALPHA - 1:.0f} held-out normals"
                    )
                if "held_out" in metric.needs:
                    missing = missing and score.status == "n/a"
                cells.append(score_cell(score))
                record |= machine_fields(score, metric.id)
            cells[2] = replace(cells[2], note="trained on all normals" if missing else held_out)
            found.append((missing, -(results.score(dataset, method).mean or 0.0), cells, record))
        for missing, _, cells, record in sorted(found, key=lambda entry: entry[:2]):
            rows.append(Row(cells, dataset, summary["modality"], record["method"]))
            data.append(record | {"held out": "" if missing else summary["n_valid"], "nominal": ALPHA})
    caption = (
        f"At the threshold that {ALPHA:.0%} of new normals should reach, a conformal quantile of held-out normal "
        "scores: the share of normal labels called, false alarms, lower is better, and of anomalous ones, recall, "
        "higher is better; beside them both at the oracle threshold, which has the best F1 on the labels. Points of a "
        "series are merged from held-out windows as from test windows and depend on each other: there the nominal rate "
        f"is no promise, nor where the test part has drifted. {protocol(results, [*results.datasets])}"
    )
    frame = pd.DataFrame(data) if data else pd.DataFrame(columns=["dataset", "method"])
    notes = failure_notes(results, alarms)
    return Table("alarms", "False alarms at a threshold from held-out normals", caption, columns, rows, frame, notes)


# -- leaderboard -------------------------------------------------------------------------------------------------------


def leaderboard(results: Results) -> Table:
    """Every method and control on every dataset, best first, with its metrics and what it cost."""
    further = further_metrics(results)
    columns = [
        Column("Dataset", numeric=False),
        Column("Method", numeric=False),
        Column("Track", numeric=False),
        Column("Rank"),
        Column("AUROC"),
        *(Column(metric.label) for metric in further),
        Column("Fit, s"),
        Column("Per sample, ms"),
        Column("Calls"),
        Column("MFLOP per sample"),
        Column("Parameters"),
        Column("Peak, MB"),
    ]
    rows, data = [], []
    for dataset, summary in results.datasets.items():
        rank = ranks(results, dataset)
        scores = {method: results.score(dataset, method) for method in results.methods}
        order = sorted(scores, key=lambda method: (not scores[method], method == ORACLE, -(scores[method].mean or 0.0)))
        for method in order:
            info, score = results.methods[method], scores[method]
            if score.status == "not in suite":
                continue
            extra = {metric.id: results.score(dataset, method, metric.id) for metric in further}
            track = "control" if info.is_control else info.track
            below = below_control(results, dataset, method)
            tied = tied_with_best(results, dataset, method, rank)
            cost = {key: results.cost(dataset, method, key) for key in COSTS}
            cells = [
                Cell(results.label(dataset), note=summary["level"]),
                Cell(info.label, note=info.id if info.id != info.label else ""),
                Cell(track, tone="quiet"),
                Cell(str(rank[method]), sort=rank[method]) if method in rank else Cell("–", tone="quiet"),
                score_cell(score, results.published.get((dataset, method)), rank.get(method) == 1, below, tied),
                *(
                    score_cell(value, digits=metric.digits)
                    if (value := extra[metric.id])
                    else Cell("–", title=value.reason, tone="quiet")
                    for metric in further
                ),
                _cost_cell(cost["fit_seconds"], "{:.1f}"),
                _cost_cell(cost["seconds_per_sample"], "{:.2f}", 1000),
                _cost_cell(cost["network_calls"], "{:,.0f}"),
                _cost_cell(cost["flops_per_sample"], "{:,.1f}", 1e-6),
                _cost_cell(cost["parameters"], "{:,.0f}"),
                _cost_cell(cost["peak_memory_mb"], "{:,.0f}"),
            ]
            rows.append(Row(cells, dataset, summary["modality"], method))
            record = {
                "dataset": dataset,
                "modality": summary["modality"],
                "level": summary["level"],
                "method": method,
                "kind": info.kind,
                "track": track,
                "rank": rank.get(method, ""),
            }
            record |= machine_fields(score, "auroc", results.published.get((dataset, method)), paper=True)
            for metric, value in extra.items():
                record |= {metric: digits(value.mean), f"{metric} ci95": digits(value.ci95)}
            record |= {"below control": below, "tied with best": tied, "status": score.status, "reason": score.reason}
            data.append(record | {key: digits(value) for key, value in cost.items()})
    caption = (
        f"Every method and control on every dataset by AUROC, higher is better. "
        f"{protocol(results, list(results.datasets))} "
        f"Ranks run within one dataset and track; controls, variants and the oracle are not ranked. "
        f"{metric_notes(further)} "
        f"Small print: published number and measured − published."
    )
    # A metric that nothing in the suite has, and a cost that nothing recorded, take no room.
    kept = [i for i in range(len(columns)) if any(row.cells[i].text != "–" for row in rows)]
    columns = [columns[i] for i in kept]
    rows = [replace(row, cells=[row.cells[i] for i in kept]) for row in rows]
    notes = footnotes(rows) + partial_notes(results, results.datasets) + failure_notes(results, further)
    if ORACLE in results.methods:
        notes.append("The oracle reads the labels: it checks the harness.")
    return Table("leaderboard", "Leaderboard", caption, columns, rows, pd.DataFrame(data), notes)


def _cost_cell(value: float | None, form: str, scale: float = 1.0) -> Cell:
    return Cell("–", tone="quiet") if value is None else Cell(form.format(value * scale), sort=value)
