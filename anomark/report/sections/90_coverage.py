"""How every cell ended, and why those without a score have none."""

from __future__ import annotations

import pandas as pd

from anomark.outcomes import Outcome
from anomark.report.results import Results, worst
from anomark.report.section import Section
from anomark.report.table import Cell, Column, Row, Table
from anomark.report.tables import protocol
from anomark.report.verdict import coverage_sentence

#: Shape beside colour, so that the coverage matrix reads in greyscale too.
GLYPHS = {
    Outcome.DONE: "●",
    Outcome.FAILED: "✕",
    Outcome.TIMEOUT: "◷",
    Outcome.OOM: "▣",
    Outcome.DIVERGED: "∞",
    Outcome.REFUSED: "⊘",
    Outcome.SKIPPED: "○",
    Outcome.NOT_APPLICABLE: "·",
}


def build(results: Results) -> Section:
    tables = [coverage_table(results), problem_table(results)]
    return Section("coverage-section", "Coverage", coverage_sentence(results), [t for t in tables if t.rows])


def coverage_table(results: Results) -> Table:
    """A row a method, a column a dataset, refused datasets and variants among them."""
    columns = [Column("Method", numeric=False)]
    columns += [
        Column(results.label(dataset), numeric=False, dataset=dataset, modality=summary.modality)
        for dataset, summary in results.summaries.items()
    ]
    cells = {m: [_coverage(results, dataset, m) for dataset in results.summaries] for m in results.methods}
    rows = [Row([Cell(results.methods[method].label), *row], method=method) for method, row in cells.items()]
    data = pd.DataFrame(
        [dict(zip(results.summaries, (cell.text for cell in row), strict=True)) for row in cells.values()],
        index=pd.Index(cells, name="method"),
    ).reset_index()
    found = {*results.outcomes["status"]}
    signs = "; ".join(f"{glyph} {status}: {status.meaning}" for status, glyph in GLYPHS.items() if status in found)
    caption = f"How each method's cells ended on each dataset, where the worst seed counts. {signs}. "
    return Table("coverage", "Coverage", caption + protocol(results, [*results.datasets]), columns, rows, data)


def _coverage(results: Results, dataset: str, method: str) -> Cell:
    rows = results.outcome(dataset, method)
    if rows.empty:
        return Cell("", title="not in this suite")
    status, reason = worst(rows)
    outcome = Outcome(status)
    tone = "glyph good" if outcome is Outcome.DONE else "glyph quiet" if outcome.good else "glyph"
    done = int((rows["status"] == Outcome.DONE).sum())
    text = status + (f", {done} of {len(rows)} seeds done" if 0 < done < len(rows) else "")
    return Cell(text, title=reason or text, tone=tone, glyph=GLYPHS[outcome])


def problem_table(results: Results) -> Table:
    """Every cell that has no score and every sweep that failed, with its reason; seeds that share one stand together.

    Cells of a refused dataset share its reason, which stands with the datasets.
    """
    seeds: dict[tuple[str, str, str, str], list[str]] = {}
    rows = results.outcomes[~results.outcomes["dataset"].isin(results.refused) & (results.outcomes["status"] != "done")]
    for row in rows[["dataset", "method", "status", "reason", "seed"]].astype(object).fillna("").to_dict("records"):
        named = seeds.setdefault((row["dataset"], row["method"], row["status"], row["reason"]), [])
        if row["seed"] != "":
            named.append(str(row["seed"]))
    for row in results.sweep.dropna(subset=["failed"]).to_dict("records"):
        seeds[row["dataset"], row["method"], "sweep failed", str(row["failed"])] = [str(row["seed"])]
    # What does not fit a modality is expected, so it comes last.
    found = sorted(seeds.items(), key=lambda problem: problem[0][2] == Outcome.NOT_APPLICABLE)
    names = ["dataset", "method", "status", "reason"]
    data = pd.DataFrame([dict(zip(names, cell, strict=True)) | {"seeds": " ".join(s)} for cell, s in found])
    table_rows = [
        Row(
            [
                Cell(results.label(dataset)),
                Cell(results.methods[method].label),
                Cell(", ".join(named) or "–"),
                Cell(status, tone="quiet" if status == Outcome.NOT_APPLICABLE else "status"),
                Cell(reason),
            ],
            dataset,
            results.summaries[dataset].modality,
            method,
        )
        for (dataset, method, status, reason), named in found
    ]
    columns = [Column(header, numeric=False) for header in ("Dataset", "Method", "Seeds", "Status", "Reason")]
    caption = f"Cells without a score, and why. {protocol(results, [*results.datasets])}"
    return Table("problems", "Cells without a score", caption, columns, table_rows, data)
