"""The paper's tables as measured here, and the leaderboard of every method on every dataset.

Tables I-III keep the paper's rows and columns: the measured mean and its interval, below it the published number and
measured minus published. Their CSV files hold every method and control of the suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from anomark.records import MetricInfo
from anomark.report.comparisons import difference, interval, relative_change
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
    PAPER_COLUMNS,
    RANDOM,
    SEEDS_FOR_INTERVAL,
    MethodInfo,
    Results,
    Score,
    average,
    published_modality,
    worst,
)
from anomark.report.table import Cell, Column, Row, Table, number, percent, signed
from anomark.statistics.bootstrap import Comparison
from anomark.statistics.false_alarms import ALPHA

TITLES = {
    "image": ("table1", "Table I", "Image AUROC"),
    "series": ("table2", "Table II", "Time-series AUROC"),
    "audio": ("table4", "Table IV", "Audio AUROC (no published number)"),
}
#: What a method costs, as outcomes.csv names it.
COSTS = ("fit_seconds", "seconds_per_sample", "network_calls", "flops_per_sample", "parameters", "peak_memory_mb")
#: Rows of the paper's Table III, under the paper's names.
ABLATIONS = {
    "wavediff": "Full model",
    "wavediff-no-wavelet": "− Wavelet",
    "wavediff-no-mha": "− MHA",
    "wavediff-no-adapter": "− XMod adapter",
    "wavediff-no-hybrid-emb": "− Hybrid emb.",
}
#: Beyond the paper's rows: the same model without its feature terms, and the plain one with them.
MORE_ABLATIONS = ("wavediff-no-feat-score", "wavediff-no-feat-loss", "ddpm-feat")
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
    summaries = [results.datasets[dataset] for dataset in datasets]
    levels = sorted({summary["level"] for summary in summaries}) or ["none"]
    splits = sorted({choice for summary in summaries for choice in summary["choices"] if "split" in choice.lower()})
    networks = sorted({str(summary.get("f") or "none") for summary in summaries}) or ["none"]
    return (
        f"Level: {', '.join(levels)}; {interval_phrase(results)}, deterministic methods once; "
        f"split: fitted on normal data only, scored on all test data{''.join(f', {s}' for s in splits)}; "
        f"f: {', '.join(networks)}."
    )


def _machine(score: Score, column: str, published: float | None = None, paper: bool = False) -> dict[str, Any]:
    """The machine-readable columns of one score: a number, or the status in its place."""
    fields: dict[str, Any] = {
        column: _digits(score.mean) or score.status,
        f"{column} ci95": _digits(score.ci95),
        f"{column} low": _digits(score.low),
        f"{column} high": _digits(score.high),
        f"{column} seeds": len(score.by_seed),
    }
    if paper:
        difference = score.mean - published if score.mean is not None and published is not None else None
        fields |= {f"{column} published": _digits(published), f"{column} difference": _digits(difference)}
    return fields


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


# -- Tables I, II, IV --------------------------------------------------------------------------------------------------


def modality_table(results: Results, modality: str) -> Table:
    """AUROC of one modality: a row a dataset, a column a method of the paper, then the best of the rest."""
    name, title, what = TITLES[modality]
    datasets = results.of_modality(modality)
    paper = PAPER_COLUMNS[modality]
    others = [method for method in results.methods.values() if not method.is_control and method.id not in paper]
    controls = [method for method in results.methods.values() if method.is_control]
    rivals = [method for method in others if method.is_rival]
    tracks = list(dict.fromkeys(method.track for method in rivals))

    columns = [Column("Dataset", numeric=False), Column("Level", numeric=False)]
    columns += [Column(label, note=_track_note(results, method)) for method, label in paper.items()]
    columns += [Column("Best other", note=track if len(tracks) > 1 else "") for track in tracks]
    columns += [Column("Best control"), Column("Random", note="95% band")]

    rows, data = [], []
    for dataset in datasets:
        summary, rank = results.datasets[dataset], ranks(results, dataset)
        cells = [Cell(results.label(dataset), sort=results.label(dataset)), Cell(summary["level"])]
        for method in paper:
            published = results.published.get((dataset, method))
            below, best = below_control(results, dataset, method), rank.get(method) == 1
            tied = tied_with_best(results, dataset, method, rank)
            cells.append(score_cell(results.score(dataset, method), published, best, below, tied))
        cells += [_best_other(results, dataset, [m for m in rivals if m.track == track], rank) for track in tracks]
        control = results.best_control(dataset)
        cells.append(
            Cell(number(control[1]), note=results.methods[control[0]].label, sort=control[1])
            if control
            else Cell("none", tone="quiet")
        )
        low, high = summary["random_band"]
        cells.append(Cell(f"{number(low)}–{number(high)}", sort=low, tone="quiet"))
        rows.append(Row(cells, dataset, modality))

        record: dict[str, Any] = {"dataset": dataset, "level": summary["level"]}
        for method in [*paper, *(m.id for m in others), *(m.id for m in controls)]:
            record |= _machine(
                results.score(dataset, method),
                paper.get(method, method),
                results.published.get((dataset, method)),
                method in paper,
            )
        data.append(record | {"random low": _digits(low), "random high": _digits(high)})

    if len(datasets) > 1:
        rows.append(_mean_row(results, modality, datasets, len(columns)))
    notes = footnotes(rows) + partial_notes(results, datasets)
    in_paper = list(dict.fromkeys(dataset for dataset, method in results.published if method in paper))
    absent = [d for d in in_paper if d not in datasets and published_modality(d) == modality]
    if absent:
        notes.append(f"Rows of the paper that this suite does not have: {', '.join(absent)}.")
    if not datasets:
        notes.insert(0, f"This suite has no {modality} dataset.")
    caption = f"{what}, higher is better. {protocol(results, datasets)} Bold: best method of its track, variants aside"
    caption += "; small print: published number and measured − published." if modality != "audio" else "."
    frame = pd.DataFrame(data) if data else pd.DataFrame(columns=["dataset", "level", *paper.values()])
    return Table(name, title, caption, columns, rows, frame, notes)


def _track_note(results: Results, method: str) -> str:
    """The track, named under a method's header where the paper's methods do not share one."""
    paper = {method for columns in PAPER_COLUMNS.values() for method in columns}
    tracks = {info.track for info in results.methods.values() if info.id in paper}
    return results.methods[method].track if len(tracks) > 1 and method in results.methods else ""


def _best_other(results: Results, dataset: str, methods: list[MethodInfo], rank: dict[str, int]) -> Cell:
    scores = {method.id: results.score(dataset, method.id) for method in methods}
    means = {method: score.mean for method, score in scores.items() if score.mean is not None}
    if not means:
        return Cell("none", tone="quiet", title="no other method of this track has a score here")
    best = max(means, key=lambda method: means[method])
    return Cell(
        number(means[best]),
        f"{spread(scores[best])} {TIED if tied_with_best(results, dataset, best, rank) else ''}".strip(),
        results.methods[best].label,
        means[best],
        best=rank.get(best) == 1,
        below_control=below_control(results, dataset, best),
    )


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
        f"{results.datasets[dataset]['label']}: {note}."
        for dataset in datasets
        for note in results.datasets[dataset]["notes"]
        if note.startswith("partial")
    ]


def _mean_row(results: Results, modality: str, datasets: list[str], width: int) -> Row:
    """Means over the rows; compared with the paper's mean only where the rows are the paper's."""
    cells = [Cell("Mean"), Cell("")]
    for method in PAPER_COLUMNS[modality]:
        published = [
            value
            for (dataset, name), value in results.published.items()
            if name == method and published_modality(dataset) == modality
        ]
        complete = {d for d, m in results.published if m == method and published_modality(d) == modality} == set(
            datasets
        )
        mean = average(results.score(dataset, method) for dataset in datasets)
        cells.append(score_cell(mean, sum(published) / len(published) if complete else None))
    cells += [Cell("")] * (width - len(cells))
    return Row(cells, modality=modality, summary=True)


# -- Table III ---------------------------------------------------------------------------------------------------------


def ablation_table(results: Results) -> Table:
    """The flagship with one part off at a time: mean AUROC per modality and its drop in percent of the full model.

    A mean runs over the datasets where both the full model and the ablation have a score, so a drop compares
    like with like; the number of datasets is printed.
    """
    columns = [
        Column("Variant", numeric=False),
        Column("Image AUROC"),
        Column("Series AUROC"),
        Column("Drop, image"),
        Column("Drop, series"),
        Column("Parameters", note="image, series"),
    ]
    rows, data = [], []
    for method, label in ablations(results).items():
        means, drops = [], []
        record: dict[str, Any] = {"method": method, "variant": label}
        for modality in ("image", "series"):
            mean, drop, test, count = _ablation(results, method, modality)
            published = _published_ablation(results, method, modality)
            cell = score_cell(mean, published)
            if mean:
                cell = Cell(cell.text, f"{cell.spread} n={count}".strip(), cell.note, cell.sort)
            means.append(cell)
            printed = _published_ablation(results, method, f"drop_{modality}")
            drops.append(_drop_cell(drop, test, printed) if method != "wavediff" else Cell("–", tone="quiet"))
            record |= _machine(mean, modality, published, paper=True) | {f"{modality} datasets": count}
            record |= {
                f"{modality} drop percent": _digits(drop.mean) or drop.status,
                f"{modality} drop percent low": _digits(test.low if test else None),
                f"{modality} drop percent high": _digits(test.high if test else None),
                f"{modality} drop p": _digits(test.p if test else None),
                f"{modality} drop percent published": _digits(printed),
            }
        sizes = {m: parameters(results, method, m) for m in ("image", "series")}
        record |= {f"{modality} parameters": _digits(size) for modality, size in sizes.items()}
        size = Cell(", ".join("–" if size is None else f"{size:,.0f}" for size in sizes.values()), sort=sizes["image"])
        rows.append(Row([Cell(label), *means, *drops, size], method=method))
        data.append(record)
    datasets = results.of_modality("image") + results.of_modality("series")
    caption = (
        f"Ablation: mean AUROC over the n datasets that both the full model and the variant have, higher is better; "
        f"drop in percent of the full model on the same datasets, with the 95% interval and two-sided p of a paired "
        f"bootstrap over test units and seeds, bold where p < .05. {protocol(results, datasets)} "
        f"Small print: published number and measured − published."
    )
    notes = [] if "wavediff" in results.methods else ["The full model is not in this suite."]
    return Table("table3", "Table III", caption, columns, rows, pd.DataFrame(data), notes)


def _ablation(results: Results, method: str, modality: str) -> tuple[Score, Score, Comparison | None, int]:
    """Mean AUROC of a variant, its change in percent of the full model, that change's test, and how many datasets."""
    datasets = results.of_modality(modality)
    pairs = {dataset: (results.score(dataset, "wavediff"), results.score(dataset, method)) for dataset in datasets}
    common = [dataset for dataset, (full, variant) in pairs.items() if full and variant]
    both = [pairs[dataset] for dataset in common]
    if not both:
        if method not in results.methods:
            status, reason = "not in suite", "the suite has no such method"
        elif not datasets:
            status, reason = "n/a", f"the suite has no {modality} dataset"
        else:
            status, reason = worst(pd.concat([results.outcome(dataset, method) for dataset in datasets]))
            if status == "done":
                status, reason = "n/a", "no dataset on which both the full model and the variant are done"
        return Score(status, reason), Score(status, reason), None, 0
    mean, full = average(variant for _, variant in both), average(full for full, _ in both)
    change = {s: 100 * (mean.by_seed[s] / full.by_seed[s] - 1) for s in mean.by_seed if s in full.by_seed}
    drop = Score("done" if change else "n/a", "", change, mean.seeds, mean.deterministic and full.deterministic)
    test = None if drop.mean is None else relative_change(results, common, method, "wavediff", drop.mean)
    return mean, drop, test, len(both)


def parameters(results: Results, method: str, modality: str) -> float | None:
    """Learnt numbers of a method, averaged over the datasets of a modality: channels differ from one to another."""
    counts = [results.cost(d, method, "parameters") for d in results.of_modality(modality)]
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None


def ablation_changes(results: Results, modality: str) -> list[tuple[str, Comparison, float | None]]:
    """Per measured variant: label, change in percent of the full model with its interval, published change."""
    changes = []
    for method, label in ablations(results).items():
        _, _, test, _ = _ablation(results, method, modality)
        if method != "wavediff" and test:
            changes.append((label, test, _published_ablation(results, method, f"drop_{modality}")))
    return changes


def ablations(results: Results) -> dict[str, str]:
    """The paper's variants, then those of MORE_ABLATIONS that the suite has, with their labels."""
    more = [method for method in MORE_ABLATIONS if method in results.methods]
    return ABLATIONS | {method: results.methods[method].label for method in more}


def _published_ablation(results: Results, method: str, column: str) -> float | None:
    printed = results.published_ablation.get(method, {}).get(column, "")
    return float(printed.rstrip("%")) if printed else None


def _drop_cell(drop: Score, test: Comparison | None, published: float | None) -> Cell:
    note = percent(published) if published is not None else ""
    if drop.mean is None:
        return Cell(drop.status, note=note, title=drop.reason, tone="quiet")
    spread = interval(test, percent) if test else ""
    return Cell(percent(drop.mean), spread, note, round(drop.mean, 4), best=bool(test and test.distinguishable))


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
                record |= {metric.id: _digits(scores.get(method)), f"{metric.id} rank": rank or ""}
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
                record |= _machine(score, metric.id)
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
            record |= _machine(score, "auroc", results.published.get((dataset, method)), paper=True)
            for metric, value in extra.items():
                record |= {metric: _digits(value.mean), f"{metric} ci95": _digits(value.ci95)}
            record |= {"below control": below, "tied with best": tied, "status": score.status, "reason": score.reason}
            data.append(record | {key: _digits(value) for key, value in cost.items()})
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
