"""Datasets without labels: what all methods together score highest, what each one does, and how far they agree."""

from __future__ import annotations

from typing import Any

import pandas as pd

from anomark.report.results import Results
from anomark.report.section import Section, Text
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import protocol
from anomark.statistics.conspicuous import CONSENSUS, MOST

#: Places of each single method.
OF_METHOD = 3


def build(results: Results) -> Section | None:
    found = {dataset: read(results, dataset, "highest.csv") for dataset in results.unlabelled}
    found = {dataset: table for dataset, table in found.items() if len(table)}
    if not found:
        return None
    warning = Text(
        "Nobody knows the labels of these data, so no number says which method is right. What many methods find "
        "conspicuous is worth a look, and need not be an anomaly.",
        warning=True,
    )
    tables = [
        together(results, found),
        single(results, found),
        agreement(results, {dataset: read(results, dataset, "agreement.csv") for dataset in found}),
    ]
    return Section("unlabelled", "Without labels", lead(results, found), [warning, *(t for t in tables if t.rows)])


def read(results: Results, dataset: str, name: str) -> pd.DataFrame:
    """A table that `evaluate` wrote of a dataset; empty where no method has scores."""
    path = results.evaluation / dataset / name
    if not path.exists():
        return pd.DataFrame()
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"name": str, "method": str, "other": str})


def lead(results: Results, found: dict[str, pd.DataFrame]) -> str:
    """What stands out most in each of the first datasets."""
    said = []
    for dataset, table in [*found.items()][:3]:
        first = table[table["method"] == CONSENSUS].iloc[0]
        of = voices(table)
        said.append(
            f"{where(results, dataset, first)} in **{results.label(dataset)}**, which {first['methods']} of {of} "
            "methods have among their highest"
        )
    more = f", and so on for {len(found) - 3} more datasets" if len(found) > 3 else ""
    return f"What the methods together find most conspicuous is {'; '.join(said)}{more}."


def voices(table: pd.DataFrame) -> int:
    """How many methods were asked."""
    return table.loc[table["method"] != CONSENSUS, "method"].nunique()


def where(results: Results, dataset: str, row: Any) -> str:
    """What the owner calls it: the name of a sample, or when it was."""
    first, last = row["first"], row["last"]
    if results.summaries[dataset].window is None:
        return f"test {results.summaries[dataset].level} {first}" if pd.isna(row["name"]) else str(row["name"])
    if pd.isna(row["start"]):
        return f"steps {first:,} to {last:,}"
    return f"{told(row['start'])} to {told(row['end'])}"


def told(time: Any) -> str:
    """A time as a reader writes it: 2024-03-01 12:30:00, or a number."""
    try:
        return str(pd.Timestamp(time).isoformat(sep=" ")) if isinstance(time, str) else f"{time:g}"
    except ValueError:
        return str(time)


def together(results: Results, found: dict[str, pd.DataFrame]) -> Table:
    """What all methods together score highest."""
    rows: list[Row] = []
    for dataset, table in found.items():
        of = voices(table)
        for place, row in enumerate(table[table["method"] == CONSENSUS].to_dict("records")):
            cells = [
                Cell(results.label(dataset)),
                Cell(str(row["place"]), sort=row["place"]),
                Cell(where(results, dataset, row), note=steps(results, dataset, row)),
                Cell(number(row["score"]), sort=row["score"]),
                Cell(f"{row['methods']} of {of}", sort=row["methods"]),
            ]
            kept = ("place", "first", "last", "name", "start", "end", "score", "methods")
            record = {"dataset": dataset} | {name: row[name] for name in kept}
            modality = results.summaries[dataset].modality
            rows.append(Row(cells, dataset, modality, record=record, rule=not place and bool(rows)))
    caption = (
        "What all methods together score highest. The mean height is the mean over methods of how high a score lies "
        "between the method's median, 0, and its highest score, 1. "
        "The last column counts the methods that have it, or a part of it, among what they score highest themselves, "
        f"which are {MOST} at most. Controls have no voice. A stretch of a series ends where the mean falls to half of "
        f"its height above the median. {protocol(results, [*found])}"
    )
    columns = [*words("Dataset"), Column("Place"), *words("What"), Column("Mean height"), Column("Found by")]
    return Table("conspicuous", "What stands out", caption, columns, rows)


def steps(results: Results, dataset: str, row: Any) -> str:
    timed = results.summaries[dataset].window is not None and not pd.isna(row["start"])
    return f"steps {row['first']:,} to {row['last']:,} of the test part" if timed else ""


def single(results: Results, found: dict[str, pd.DataFrame]) -> Table:
    """What each method scores highest."""
    rows: list[Row] = []
    for dataset, table in found.items():
        for row in table[(table["method"] != CONSENSUS) & (table["place"] <= OF_METHOD)].to_dict("records"):
            method, above = row["method"], row["above"]
            cells = [
                Cell(results.label(dataset)),
                Cell(results.methods[method].label),
                Cell(str(row["place"]), sort=row["place"]),
                Cell(where(results, dataset, row)),
                Cell(f"{row['score']:.3g}", sort=row["score"]),
                NONE if pd.isna(above) else Cell(f"{above:.1f}", sort=above),
                Cell(str(row["methods"]), sort=row["methods"]),
            ]
            kept = ("method", "place", "first", "last", "name", "start", "end", "score", "above", "methods")
            record = {"dataset": dataset} | {name: row[name] for name in kept}
            first = row["place"] == 1 and bool(rows)
            rows.append(Row(cells, dataset, results.summaries[dataset].modality, method, record, rule=first))
    caption = (
        f"The {OF_METHOD} highest of each method, first seed. Scales of scores differ between methods; how far a score "
        "lies above the method's median is counted in median absolute deviations of its scores. The last column counts "
        f"the methods that have it among their highest. {protocol(results, [*found])}"
    )
    columns = [*words("Dataset", "Method"), Column("Place"), *words("What")]
    columns += [Column(name) for name in ("Score", "Above the median", "Found by")]
    return Table("conspicuous_by_method", "What each method finds", caption, columns, rows)


def agreement(results: Results, found: dict[str, pd.DataFrame]) -> Table:
    """How far each method agrees with the others."""
    rows: list[Row] = []
    for dataset, pairs in found.items():
        if pairs.empty:
            continue
        turned = pairs.rename(columns={"method": "other", "other": "method"})
        table = pd.concat([pairs, turned], ignore_index=True).dropna(subset="correlation")
        means = table.groupby("method")["correlation"].mean().sort_values(ascending=False)
        for place, (method, mean) in enumerate(means.items()):
            own = table[table["method"] == method].sort_values("correlation")
            least, most = own.iloc[0], own.iloc[-1]
            cells = [
                Cell(results.label(dataset)),
                Cell(results.methods[str(method)].label),
                Cell(number(mean, 2), sort=mean),
                *(
                    Cell(number(one["correlation"], 2), results.methods[one["other"]].label, sort=one["correlation"])
                    for one in (most, least)
                ),
                Cell(f"{own['shared'].mean():.1f}", sort=own["shared"].mean()),
            ]
            record = {"dataset": dataset, "method": method, "mean correlation": mean, "shared": own["shared"].mean()}
            record |= {"most like": most["other"], "least like": least["other"]}
            modality = results.summaries[dataset].modality
            rows.append(Row(cells, dataset, modality, str(method), record, rule=not place and bool(rows)))
    caption = (
        "Spearman's rank correlation of the scores of each method with those of every other one, first seed: 1 the "
        f"same order, 0 none. The last column is how many of their highest, {MOST} at most, two methods share on "
        f"average. "
        f"{protocol(results, [*found])}"
    )
    columns = [*words("Dataset", "Method")]
    columns += [Column(name) for name in ("Mean", "Most like", "Least like", "Shared")]
    return Table("agreement", "How far methods agree", caption, columns, rows)
