"""Rank tests of the methods over the datasets of a modality, one track at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anomark.contracts import Array
from anomark.report.results import Results
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import protocol
from anomark.statistics.ranks import Friedman, critical_difference, friedman, smallest_wilcoxon_p, wilcoxon_holm

#: With fewer datasets or methods nothing that a rank test could say is worth saying.
FEWEST = 3


@dataclass(frozen=True)
class Field:
    """Methods of one track and the datasets of one modality that all of them have a score on.

    scores
        (datasets, methods) mean AUROC over seeds, to three digits: what prints alike shares a rank.
    absent
        Methods of the track that lack a score on some dataset, and take no part.
    """

    modality: str
    track: str
    datasets: list[str]
    methods: list[str]
    scores: Array
    absent: list[str]

    @property
    def name(self) -> str:
        return f"{self.modality}, {self.track}"

    @property
    def large_enough(self) -> bool:
        return min(len(self.datasets), len(self.methods)) >= FEWEST

    @property
    def friedman(self) -> Friedman:
        return friedman(self.scores)

    @property
    def critical_difference(self) -> float:
        return critical_difference(len(self.methods), len(self.datasets))


def fields(results: Results) -> Iterator[Field]:
    """One a modality and track. Variants and controls take no part: near copies of a method would crowd the ranks."""
    for modality in results.modalities:
        datasets = results.of_modality(modality)
        for track in results.tracks:
            scores, absent = {}, []
            for method in (rival for rival in results.rivals if results.methods[rival].track == track):
                means = [results.score(dataset, method).mean for dataset in datasets]
                if all(mean is not None for mean in means):
                    scores[method] = means
                elif any(results.score(dataset, method).status not in ("n/a", "not in suite") for dataset in datasets):
                    absent.append(method)
            table = np.round(np.array([*scores.values()], dtype=float).reshape(-1, len(datasets)).T, 3)
            if scores or absent:
                yield Field(modality, track, datasets, [*scores], table, absent)


def rank_table(results: Results) -> Table:
    """Average ranks, with Nemenyi's critical difference and Wilcoxon's p against the method of the best rank."""
    columns = [*words("Modality", "Track", "Method"), Column("Average rank"), Column("Mean AUROC")]
    columns += [Column("Behind the best"), Column("p", note="Wilcoxon, Holm")]
    rows, notes = [], []
    for field in fields(results):
        n, k = len(field.datasets), len(field.methods)
        if field.absent:
            notes.append(f"{field.name}: without a number on some dataset, left out: {results.names(field.absent)}.")
        if not field.large_enough:
            notes.append(
                f"{field.name}: no rank test, which takes {FEWEST} methods and {FEWEST} datasets; here: {k} and {n}."
            )
            continue
        test, critical, pairs = field.friedman, field.critical_difference, wilcoxon_holm(field.scores)
        smallest, of_pairs = p_value(test.smallest_p), p_value(smallest_wilcoxon_p(n, k))
        notes.append(
            f"{field.name}: {k} methods on {n} datasets. Friedman {test.chi2:.2f}, F {test.f:.2f} on {k - 1} and "
            f"{(k - 1) * (n - 1)} degrees of freedom, {p_value(test.p)}, at the smallest {smallest}. Nemenyi's "
            f"critical difference {critical:.2f}. Wilcoxon with Holm: at the smallest {of_pairs}."
        )
        best = int(np.argmin(test.ranks))
        for index in np.argsort(test.ranks, kind="stable"):
            method, rank, mean = field.methods[index], float(test.ranks[index]), float(field.scores[:, index].mean())
            behind, p = rank - float(test.ranks[best]), float(pairs[best, index])
            cells = [Cell(field.modality), Cell(field.track), Cell(results.methods[method].label)]
            cells += [Cell(f"{rank:.2f}", sort=rank, best=index == best), Cell(number(mean), sort=mean)]
            if index == best:
                cells += [NONE, NONE]
            else:
                cells.append(Cell(f"{behind:.2f}", sort=behind, best=behind >= critical))
                cells.append(Cell(number(p), sort=p, best=p < 0.05))
            record = {"modality": field.modality, "track": field.track, "method": method, "datasets": n, "methods": k}
            record |= {"average rank": rank, "mean auroc": mean, "behind the best": behind, "wilcoxon holm p": p}
            record |= {"smallest wilcoxon holm p": smallest_wilcoxon_p(n, k), "critical difference": critical}
            record |= {"friedman chi2": test.chi2, "friedman f": test.f, "friedman p": test.p}
            record |= {"smallest friedman p": test.smallest_p}
            rows.append(Row(cells, modality=field.modality, method=method, record=record))
    caption = (
        "Average ranks over the datasets of a modality, 1 the best; methods that have a number on every one of them, "
        "without variants and controls. Friedman's test in the form of Iman and Davenport; bold behind the best: more "
        "than Nemenyi's critical difference at 5%; bold p: below .05 by Wilcoxon's signed ranks with Holm's correction "
        "over all pairs (Demsar 2006). A dataset counts once, however large: few of them cannot reach a small p. "
        f"{protocol(results, [*results.datasets])}"
    )
    return Table("ranks", "Ranks", caption, columns, rows, notes, ("modality", "track", "method"))


def p_value(p: float) -> str:
    """p = .012"""
    return "p < .001" if p < 0.001 else f"p = {number(p)}"
