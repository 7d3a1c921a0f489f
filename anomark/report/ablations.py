"""A paper's table of ablations: a model with one part off at a time, and what each part is worth by a paired test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anomark.modality import load
from anomark.report.comparisons import interval, relative_change
from anomark.report.papers.published import file_name, heading
from anomark.report.render.draw import BLUE, INK, name_rows
from anomark.report.results import Results, worst
from anomark.report.score import Score, average
from anomark.report.table import NONE, Cell, Column, Row, Table, percent, words
from anomark.report.tables import digits, footnotes, machine_fields, protocol, score_cell
from anomark.statistics.bootstrap import Comparison
from anomark.suite.paper_tables import Ablation
from anomark.suite.papers import Paper


def ablation_table(results: Results, paper: Paper, ablation: Ablation) -> Table:
    """Mean AUROC per modality of every variant, and its drop in percent of the full model.

    A mean runs over the datasets where both the full model and the variant have a score, so a drop compares like with
    like; the number of datasets is printed.
    """
    modalities = list(ablation.columns)
    columns = words("Variant") + [Column(f"{modality.capitalize()} AUROC") for modality in modalities]
    columns += [Column(f"Drop, {modality}") for modality in modalities]
    columns += [Column("Parameters", note=", ".join(modalities))]
    rows = []
    for method, label in variants(results, ablation).items():
        means, drops = [], []
        record: dict[str, Any] = {"method": method, "variant": label}
        for modality in modalities:
            mean, drop, test, count = measure(results, ablation, method, modality)
            printed = ablation.auroc.get((method, modality))
            cell = score_cell(mean, printed.value if printed else None)
            means.append(replace(cell, spread=f"{cell.spread} n={count}".strip()) if mean else cell)
            printed_drop = published_drop(ablation, method, modality)
            drops.append(NONE if method == ablation.full else _drop_cell(drop, test, printed_drop))
            record |= machine_fields(mean, modality, printed.value if printed else None, paper=True)
            record |= {f"{modality} datasets": count, f"{modality} drop percent": digits(drop.mean) or drop.status}
            low, high, p = (test.low, test.high, test.p) if test else (None, None, None)
            record |= {f"{modality} drop percent low": digits(low), f"{modality} drop percent high": digits(high)}
            record |= {f"{modality} drop p": digits(p), f"{modality} drop percent published": digits(printed_drop)}
        sizes = {modality: parameters(results, method, modality) for modality in modalities}
        record |= {f"{modality} parameters": digits(size) for modality, size in sizes.items()}
        size = ", ".join("–" if size is None else f"{size:,.0f}" for size in sizes.values())
        cells = [Cell(label), *means, *drops, Cell(size, sort=sizes[modalities[0]])]
        rows.append(Row(cells, method=method, record=record))
    datasets = [dataset for modality in modalities for dataset in results.of_modality(modality)]
    caption = (
        f"{ablation.caption}: mean AUROC over the n datasets that both the full model and the variant have, higher is "
        f"better; drop in percent of the full model on the same datasets, with the 95% interval and two-sided p of a "
        f"paired bootstrap over test units and seeds, bold where p < .05. {protocol(results, datasets)} "
        f"Small print: published number and measured − published."
    )
    notes = [] if ablation.full in results.methods else ["The full model is not in this suite."]
    notes += footnotes(results, rows)
    name, title = file_name(results, paper, ablation.id), heading(results, paper, ablation.title)
    return Table(name, title, caption, columns, rows, notes)


def measure(
    results: Results, ablation: Ablation, method: str, modality: str
) -> tuple[Score, Score, Comparison | None, int]:
    """Mean AUROC of a variant, its change in percent of the full model, that change's test, and how many datasets."""
    datasets = results.of_modality(modality)
    pairs = {dataset: (results.score(dataset, ablation.full), results.score(dataset, method)) for dataset in datasets}
    common = [dataset for dataset, (full, variant) in pairs.items() if full and variant]
    both = [pairs[dataset] for dataset in common]
    if not both:
        if method not in results.methods:
            status, reason = "not in suite", "the suite has no such method"
        elif not datasets:
            status, reason = "n/a", f"the suite has no {modality} dataset"
        else:
            ended = pd.concat([results.outcome(dataset, method) for dataset in datasets])
            status, reason = worst(ended) if len(ended) else ("not in suite", "the suite has no such cell")
            if status == "done":
                status, reason = "n/a", "no dataset on which both the full model and the variant are done"
        return Score(status, reason), Score(status, reason), None, 0
    mean, full = average(variant for _, variant in both), average(full for full, _ in both)
    change = {s: 100 * (mean.by_seed[s] / full.by_seed[s] - 1) for s in mean.by_seed if s in full.by_seed}
    drop = Score("done" if change else "n/a", "", change, mean.seeds, mean.deterministic and full.deterministic)
    test = None if drop.mean is None else relative_change(results, common, method, ablation.full, drop.mean)
    return mean, drop, test, len(both)


def parameters(results: Results, method: str, modality: str) -> float | None:
    """Learnt numbers of a method, averaged over the datasets of a modality: channels differ from one to another."""
    counts = [results.cost(d, method, "parameters") for d in results.of_modality(modality)]
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None


def changes(results: Results, ablation: Ablation, modality: str) -> list[tuple[str, Comparison, float | None]]:
    """Per measured variant: label, change in percent of the full model with its interval, published change."""
    found = []
    for method, label in variants(results, ablation).items():
        _, _, test, _ = measure(results, ablation, method, modality)
        if method != ablation.full and test:
            found.append((label, test, published_drop(ablation, method, modality)))
    return found


def ablation_sentence(results: Results, paper: Paper) -> str:
    """Which parts of a paper's full models make a difference that the paired bootstrap tells from none."""
    parts = []
    for ablation in paper.ablations:
        for modality in ablation.columns:
            if measured := changes(results, ablation, modality):
                names = [f"{label} {percent(test.difference)}" for label, test, _ in measured if test.distinguishable]
                listed = f" ({', '.join(names)})" if names else ""
                parts.append(f"**{len(names)} of {len(measured)}** on {load(modality).NOUN}{listed}")
    told = "Ablations distinguishable from the full model (paired bootstrap, p < .05)"
    return f"{told}: {'; '.join(parts)}." if parts else ""


def variants(results: Results, ablation: Ablation) -> dict[str, str]:
    """The paper's rows under its names, then the further variants that the suite has, with their labels."""
    more = [method for method in ablation.further if method in results.methods]
    return ablation.labels | {method: results.methods[method].label for method in more}


def published_drop(ablation: Ablation, method: str, modality: str) -> float | None:
    """The change that the paper prints, in percent of the full model."""
    printed = ablation.drops.get((method, modality))
    return printed.value if printed else None


def _drop_cell(drop: Score, test: Comparison | None, published: float | None) -> Cell:
    note = percent(published) if published is not None else ""
    if drop.mean is None:
        return Cell(drop.status, note=note, title=drop.reason, tone="quiet")
    spread = interval(test, percent) if test else ""
    return Cell(percent(drop.mean), spread, note, round(drop.mean, 4), best=bool(test and test.distinguishable))


def ablation_bars(results: Results, ablation: Ablation) -> tuple[Figure, str, str]:
    """Change in mean AUROC against the full model, measured and published, the modalities side by side."""
    measured = {modality: changes(results, ablation, modality) for modality in ablation.columns}
    modalities = [modality for modality, found in measured.items() if found]
    figure, panels = plt.subplots(1, len(modalities), figsize=(4.2 * len(modalities), 2.4), squeeze=False)
    for axes, modality in zip(panels[0], modalities, strict=True):
        for y, (_, test, published) in enumerate(measured[modality]):
            axes.barh(y, test.difference, height=0.55, color=BLUE, alpha=0.9)
            axes.plot((test.low, test.high), (y, y), color=INK, linewidth=1.1)
            if published is not None:
                axes.plot(published, y, marker="D", markersize=4.5, markerfacecolor="none", markeredgecolor=INK)
        axes.axvline(0, color=INK, linewidth=0.6)
        name_rows(axes, [label for label, *_ in measured[modality]])
        axes.margins(x=0.08)
        axes.set(title=load(modality).LABEL, xlabel="change in AUROC, %")
    caption = "Change of mean AUROC against the full model, in percent of it; line: 95% interval; diamond: published."
    return figure, caption, "Bar chart of the change in AUROC when one part of the full model is switched off."
