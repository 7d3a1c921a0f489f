"""A table as Markdown, to paste into a README."""

from __future__ import annotations

from tabulate import tabulate

from anomark.report.table import Cell, Table


def to_markdown(table: Table) -> str:
    """A pipe table with its caption above and its notes below, to paste into a README."""

    def show(cell: Cell) -> str:
        text = f"**{cell.text}**" if cell.best else cell.text
        text += f" {cell.spread}" if cell.spread else ""
        text += " †" if cell.below_control else ""
        text += f"<br><sub>{cell.note}</sub>" if cell.note else ""
        return text.replace("|", "\\|")

    body = tabulate(
        [[show(cell) for cell in row.cells] for row in table.rows],
        headers=[column.full for column in table.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if column.numeric else "left" for column in table.columns] if table.rows else None,
    )
    notes = "".join(f"\n\n{note}" for note in table.notes)
    return f"**{table.title}.** {table.caption}\n\n{body}{notes}\n"
