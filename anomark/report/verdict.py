"""What the numbers say, in a few sentences computed from them."""

from __future__ import annotations

import math
import statistics

from anomark.modality import load
from anomark.report.ablations import ablation_sentence
from anomark.report.results import ORACLE, Results
from anomark.report.table import number, signed
from anomark.report.tables import below_controls


def verdict(results: Results) -> list[str]:
    """Sentences on coverage, the best methods, the controls, published against measured, and the harness.

    The figures that matter stand between double asterisks.
    """
    sentences = [coverage_sentence(results), *(best_sentence(results, modality) for modality in results.modalities)]
    sentences += [control_sentence(results), *(ablation_sentence(results, paper) for paper in results.papers)]
    return [
        sentence
        for sentence in (*sentences, published_sentence(results), harness_sentence(results), data_sentence(results))
        if sentence
    ]


def coverage_sentence(results: Results) -> str:
    counts = results.outcomes["status"].value_counts()
    done = int(counts.get("done", 0))
    applicable = int(counts.sum() - counts.get("n/a", 0))
    rest = [f"{count} {status}" for status, count in sorted(counts.items()) if status not in ("done", "n/a")]
    text = f"**{done} of {applicable}** cells are done" + (f" ({', '.join(rest)})" if rest else "")
    there = int(results.outcomes["reference"].notna().sum()) if "reference" in results.outcomes else 0
    return f"{text}; {there} of them are reference results." if there else f"{text}."


def best_sentence(results: Results, modality: str) -> str:
    """The best mean AUROC over all datasets of a modality, per track, among methods that have every one of them.

    Variants don't compete.
    """
    datasets = results.of_modality(modality)
    means, tracks = results.averages(modality), dict.fromkeys(results.methods[m].track for m in results.rivals)
    parts = []
    for track in tracks:
        entered = [m for m in results.rivals if m in means and results.methods[m].track == track]
        if entered:
            best = max(entered, key=lambda method: means[method].mean or 0.0)
            where = f" in the track “{track}”" if len(tracks) > 1 else ""
            parts.append(f"{results.methods[best].label}{where} (**{number(means[best].mean)}**)")
    over = f"{len(datasets)} datasets" if len(datasets) > 1 else results.label(datasets[0])
    if not parts:
        return f"On {load(modality).NOUN} no method has a number on all {over}."
    return f"On {load(modality).NOUN} the highest mean AUROC over {over} belongs to {' and '.join(parts)}."


def control_sentence(results: Results) -> str:
    below, count = below_controls(results)
    if not count or not any(results.best_control(dataset) for dataset in results.datasets):
        return ""
    return f"**{below} of {count}** results of methods lie below the strongest control of their dataset."


def published_sentence(results: Results) -> str:
    here = {cell: published for cell, published in results.published.items() if cell[0] in results.datasets}
    differences = list(results.differences(here).values())
    if not differences:
        return "No cell of this suite has a published number to compare with."
    lower = sum(difference < 0 for difference in differences)
    noun = "published number" if len(differences) == 1 else "published numbers"
    return (
        f"Against {len(differences)} {noun}, the measured AUROC is lower **{lower}** times; "
        f"the median difference is **{signed(statistics.median(differences))}**."
    )


def harness_sentence(results: Results) -> str:
    """The two controls with a known answer: the oracle is perfect, a random score lies in its band."""
    parts = []
    if oracle := [mean for dataset in results.datasets for mean in results.means(dataset, [ORACLE]).values()]:
        parts.append(f"the oracle reaches 1.000 on **{oracle.count(1)} of {len(oracle)}** datasets")
    inside = []
    for dataset, summary in results.datasets.items():
        low, high = summary.random_band  # 1.96 standard errors of one seed, either way
        for method in results.chance:
            if score := results.score(dataset, method):
                three_errors = 3 * (high - low) / (2 * 1.96) / math.sqrt(len(score.values))
                inside.append(bool(abs(score.values.mean() - 0.5) <= three_errors))
    if inside:
        told = f"**{sum(inside)} of {len(inside)}**"
        parts.append(f"the random control lies within three standard errors of .5 on {told}")
    return f"The harness: {', '.join(parts)}." if parts else ""


def data_sentence(results: Results) -> str:
    """How many datasets carry a warning about their data."""
    warned = [dataset for dataset, summary in results.datasets.items() if summary.warnings]
    if not warned:
        return ""
    names = ", ".join(results.label(dataset) for dataset in warned[:5]) + ", ..." * (len(warned) > 5)
    return f"**{len(warned)} of {len(results.datasets)}** datasets carry a warning about their data ({names})."
