"""How every cell ended, and why those without a score have none."""

from __future__ import annotations

from anomark.outcomes import Outcome
from anomark.report.results import Results, worst
from anomark.report.section import Section
from anomark.report.table import Cell, Column, Row, Table, words
from anomark.report.tables import protocol
from anomark.report.verdict import coverage_sentence

#: Shape beside colour, so that the coverage matrix reads in greyscale too.
GLYPHS = {
    Outcome.DONE: "●",
    Outcome.FAILED: "✕",
    Outcome.TIMEOUT: "◷",
    Outcome.OOM: "▣",
    Outcome.DIVERGED: "∞",
    Outcome.FORBIDDEN: "⚑",
    Outcome.REFUSED: "⊘",
    Outcome.SKIPPED: "○",
    Outcome.NOT_APPLICABLE: "·",
}


def build(results: Results) -> Section:
    tables = [coverage_table(results), problem_table(results)]
    return Section("coverage-section", "Coverage", coverage_sentence(results), [t for t in tables if t.rows])


def coverage_table(results: Results) -> Table:
    """A row a method, a column a dataset, refused datasets and variants among them."""
    shown = {dataset: summary for dataset, summary in results.summaries.items() if not summary.draw_of}
    columns = words("Method") + [
        Column(results.label(dataset), numeric=False, dataset=dataset, modality=summary.modality)
        for dataset, summary in shown.items()
    ]
    rows = []
    for method, info in results.methods.items():
        cells = {dataset: _coverage(results, dataset, method) for dataset in shown}
        record = {"method": method} | {dataset: cell.text for dataset, cell in cells.items()}
        rows.append(Row([Cell(info.label), *cells.values()], method=method, record=record))
    found = {*results.outcomes["status"]}
    signs = "; ".join(f"{glyph} {status}: {status.meaning}" for status, glyph in GLYPHS.items() if status in found)
    caption = f"How each method's cells ended on each dataset, where the worst seed counts. {signs}. "
    return Table("coverage", "Coverage", caption + protocol(results, [*results.prepared]), columns, rows)


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
    table_rows = []
    for (dataset, method, status, reason), named in found:
        cells = [Cell(results.label(dataset)), Cell(results.methods[method].label), Cell(", ".join(named) or "–")]
        cells += [Cell(status, tone="quiet" if status == Outcome.NOT_APPLICABLE else "status"), Cell(reason)]
        record = {"dataset": dataset, "method": method, "status": status, "reason": reason, "seeds": " ".join(named)}
        table_rows.append(Row(cells, dataset, results.summaries[dataset].modality, method, record))
    columns = words("Dataset", "Method", "Seeds", "Status", "Reason")
    caption = f"Cells without a score, and why. {protocol(results, [*results.prepared])}"
    return Table("problems", "Cells without a score", caption, columns, table_rows)
