"""Which method to use where no labels say it: the methods ranked on synthetic anomalies of held-out normal samples."""

from __future__ import annotations

from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from anomark.report.comparisons import difference
from anomark.report.render.draw import BLUE, DOTTED, GREY, VERMILLION, name_rows, scale_auroc
from anomark.report.results import Results
from anomark.report.section import Drawing, Part, Section, Text
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import TIED, interval_phrase
from anomark.statistics.ranks import agreement
from anomark.suite.dropins import ROOT

#: How well the ranking agreed with that by labels, dataset by dataset, where the project measured it.
STORED = ROOT / "reports" / "reference" / "choice"
#: Datasets that have a panel, and methods in one.
PANELS, MOST = 6, 10
#: Fewer methods than these have no order to agree on.
FEWEST = 3
FIELDS = ("dataset", "modality", "methods", "tau", "first", "auroc", "best", "best auroc", "mean auroc")


def build(results: Results) -> Section | None:
    ranked = {d: found for d in results.synthetic if (found := ranking(results, d))}
    if not ranked:
        return None
    agreed = agreement_table(results, ranked)
    warning = Text(trust(results, ranked, agreed.data), warning=True)
    drawing = Drawing("choice", partial(dots, results, ranked), kind="wide")
    parts: list[Part] = [warning, drawing, choice_table(results, ranked), *([agreed] if agreed.rows else [])]
    return Section("choice-section", "Which method to use", lead(results, ranked), parts)


def ranking(results: Results, dataset: str) -> list[str]:
    """The competing methods by AUROC on the synthetic anomalies of a dataset, the best first."""
    means = results.means(results.synthetic[dataset], results.rivals)
    return sorted(means, key=lambda method: -means[method])


def lead(results: Results, ranked: dict[str, list[str]]) -> str:
    """The first of each ranking."""
    said = []
    for dataset, methods in [*ranked.items()][:3]:
        mean = results.score(results.synthetic[dataset], methods[0]).mean
        said.append(f"**{results.methods[methods[0]].label}** on {results.label(dataset)} ({number(mean)})")
    more = f", and so on for {len(ranked) - 3} more datasets" if len(ranked) > 3 else ""
    are = "methods are" if len(said) > 1 else "method is"
    return f"By AUROC on synthetic anomalies, which needs no labels, the best {are} {'; '.join(said)}{more}."


def trust(results: Results, ranked: dict[str, list[str]], agreed: pd.DataFrame) -> str:
    """How well such a ranking agrees with that by labels, in this suite or else where it was measured before."""
    tables = [pd.read_csv(path) for path in sorted(STORED.glob("*.csv"))]
    stored = pd.concat(tables) if tables else pd.DataFrame(columns=[*FIELDS])
    found = []
    for name in dict.fromkeys(results.summaries[dataset].modality for dataset in ranked):
        own, other = (data[data["modality"] == name].dropna(subset=["tau"]) for data in (agreed, stored))
        known, where = (own, "of this suite") if len(own) >= min(FEWEST, len(other)) else (other, "measured before")
        if known.empty:
            found.append(f"for {results.noun(name)}, nobody has measured it yet")
            continue
        tau, lost = known["tau"], (known["best auroc"] - known["auroc"]).mean()
        gained = (known["auroc"] - known["mean auroc"]).mean()
        spread = f", from {number(tau.min(), 2)} to {number(tau.max(), 2)}" if len(known) > 1 else ""
        found.append(
            f"for {results.noun(name)}, τ is **{number(tau.mean(), 2)}** on average over {len(known)} labelled "
            f"dataset{'s' * (len(known) > 1)} {where}{spread}, and the method that comes first has {number(lost)} less "
            f"AUROC than the best and {number(abs(gained))} {'more' if gained >= 0 else 'less'} than the mean"
        )
    return (
        "Take the ranking as a hint, since real anomalies differ from synthetic ones. How far it agrees with the "
        "ranking by labels is told by Kendall's τ, which is 1 for the same order and 0 for none: "
        f"{'; '.join(found)}. A few labelled anomalies of your own say more."
    )


def interval(results: Results, made: str, method: str) -> tuple[float, float] | None:
    """95% of the AUROC on synthetic anomalies over bootstrap replicates of the test set."""
    drawn = results.replicates.get((made, method))
    return None if drawn is None else (float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975)))


def choice_table(results: Results, ranked: dict[str, list[str]]) -> Table:
    """The ranking of each dataset, beside the AUROC by its labels where it has any, and what the method costs."""
    rows: list[Row] = []
    for dataset, methods in ranked.items():
        made, modality_ = results.synthetic[dataset], results.summaries[dataset].modality
        controls = sorted(results.means(made, results.controls).items(), key=lambda item: -item[1])[:1]
        for place, method in enumerate([*methods, *(control for control, _ in controls)]):
            control = method in results.controls
            score, true = results.score(made, method), results.score(dataset, method)
            low, high = interval(results, made, method) or (None, None)
            test = difference(results, [(made, methods[0], method)]) if place and not control else None
            tied = test is not None and not test.distinguishable
            beside = f"({number(low, 2)}–{number(high, 2)}) {TIED if tied else ''}".strip() if low is not None else ""
            fit, each = (results.cost(dataset, method, name) for name in ("fit_seconds", "seconds_per_sample"))
            cells = [
                Cell(results.label(dataset)),
                Cell("control" if control else str(place + 1), sort=None if control else place + 1),
                Cell(results.methods[method].label, tone="quiet" if control else ""),
                Cell(number(score.mean), beside, sort=score.mean, best=not place),
                Cell(number(true.mean), sort=true.mean) if true.mean is not None else NONE,
                Cell(f"{fit:.1f}", sort=fit) if fit is not None else NONE,
                Cell(f"{1000 * each:.2f}", sort=each) if each is not None else NONE,
            ]
            record: dict[str, Any] = {"dataset": dataset, "method": method, "rank": None if control else place + 1}
            record |= {"synthetic auroc": score.mean, "low": low, "high": high, "auroc": true.mean}
            record |= {"fit seconds": fit, "seconds per sample": each}
            rows.append(Row(cells, dataset, modality_, method, record, rule=not place and bool(rows)))
    columns = [*words("Dataset"), Column("Rank"), *words("Method")]
    columns += [Column("AUROC, synthetic"), Column("AUROC, labels"), Column("Fit, s"), Column("Score, ms a sample")]
    caption = (
        "Each method is fitted once more without the held-out normal samples, which are then tested beside synthetic "
        "anomalies of them: AUROC with its 95% interval over bootstrap replicates, at the first seed. No test sample "
        "and no label has a part in it. A method that chooses its own settings by such anomalies may look better than "
        "it is. By labels: the AUROC of the tables above and below, where the dataset has labels "
        f"({interval_phrase(results)}). Times: of the method fitted on all normal samples."
    )
    notes = [f"{TIED} not distinguishable from the first (paired bootstrap, p ≥ .05)."]
    return Table("choice", "Methods ranked without labels", caption, columns, rows, notes)


def agreement_table(results: Results, ranked: dict[str, list[str]]) -> Table:
    """Kendall's tau of the ranking with that by labels on each labelled dataset, and what following it costs."""
    rows: list[Row] = []
    for dataset, methods in ranked.items():
        by_labels = results.means(dataset, methods)
        if len(by_labels) < FEWEST:
            continue
        tau = agreement(results.means(results.synthetic[dataset], methods), by_labels)
        first = next(method for method in methods if method in by_labels)
        best = max(by_labels, key=lambda method: by_labels[method])
        mean = float(np.mean([*by_labels.values()]))
        record = dict.fromkeys(FIELDS) | {"dataset": dataset, "modality": results.summaries[dataset].modality}
        record |= {"methods": len(by_labels), "tau": tau, "first": first, "auroc": by_labels[first]}
        record |= {"best": best, "best auroc": by_labels[best], "mean auroc": mean}
        cells = [
            Cell(results.label(dataset)),
            Cell(number(tau, 2), sort=tau) if tau is not None else NONE,
            Cell(number(by_labels[first]), note=results.methods[first].label, sort=by_labels[first]),
            Cell(number(by_labels[best]), note=results.methods[best].label, sort=by_labels[best]),
            Cell(number(mean), note=f"{len(by_labels)} methods", sort=mean),
        ]
        rows.append(Row(cells, dataset, results.summaries[dataset].modality, record=record))
    taus = [row.record["tau"] for row in rows if row.record["tau"] is not None]
    if len(taus) > 1:
        means = [
            Cell(number(float(np.mean([row.record[name] for row in rows]))))
            for name in ("auroc", "best auroc", "mean auroc")
        ]
        rows.append(Row([Cell("Mean"), Cell(number(float(np.mean(taus)), 2)), *means], summary=True))
    caption = (
        "Kendall's rank correlation (τ-b) of the competing methods' order on synthetic anomalies with their order by "
        "labels, 1 the same, −1 the reverse; and the AUROC by labels of the method that comes first without them, of "
        "the best, and of all on average, which is what picking blindly gives."
    )
    columns = words("Dataset") + [Column(name) for name in ("τ", "First without labels", "Best by labels", "Mean")]
    return Table("choice_agreement", "How far the ranking agrees with labels", caption, columns, rows, [], FIELDS)


def dots(results: Results, ranked: dict[str, list[str]]) -> tuple[Figure, str, str]:
    """A panel a dataset: the AUROC of its first methods on synthetic anomalies, and by labels where it has any."""
    shown = [*ranked.items()][:PANELS]
    across = min(2, len(shown))
    down = -(-len(shown) // across)
    tallest = max(min(MOST, len(methods)) for _, methods in shown)
    size = (9.0 if across > 1 else 6.5, down * (0.9 + 0.22 * tallest))
    figure, panels = plt.subplots(down, across, figsize=size, squeeze=False)
    told = []
    for (dataset, methods), axes in zip(shown, panels.flat, strict=False):
        made, methods = results.synthetic[dataset], methods[:MOST]
        for place, method in enumerate(methods):
            if (ends := interval(results, made, method)) is not None:
                axes.plot(ends, (place, place), color=BLUE, linewidth=1, alpha=0.6)
            axes.plot(results.score(made, method).mean, place, "o", color=BLUE, markersize=5)
            axes.plot(
                results.score(dataset, method).mean or np.nan, place, "D", color=VERMILLION, markerfacecolor="none"
            )
        control = max(results.means(made, results.controls).values(), default=None)
        if control is not None:
            axes.axvline(control, **DOTTED)
        name_rows(axes, [results.methods[method].label for method in methods])
        axes.set_title(results.label(dataset))
        scale_auroc(axes, 6)
        axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
        told.append(
            f"{results.label(dataset)}: "
            + ", ".join(f"{results.methods[m].label} {number(results.score(made, m).mean)}" for m in methods)
        )
    for axes in list(panels.flat)[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("AUROC")
    caption = (
        f"The first {MOST} methods of each ranking. Dots: AUROC on synthetic anomalies of held-out normal samples, "
        "with its 95% interval; diamonds: AUROC by the labels of the test part, where there are any; dotted: the best "
        "control on synthetic anomalies."
    )
    caption += f" The first {PANELS} datasets are shown." if len(ranked) > PANELS else ""
    return figure, f"{caption} Level: as in the tables, at the first seed.", f"AUROC without labels: {'; '.join(told)}."
