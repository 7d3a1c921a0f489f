"""A table as LaTeX with booktabs, set so that it fits its page."""

from __future__ import annotations

import re

from anomark.contracts import UNPRINTABLE, one_line
from anomark.report.table import MINUS, Cell, Table

#: Points on a line of a page, and of a page turned on its side (class article); lines of a table that a page holds.
PAGE, TURNED, LINES = 345.0, 550.0, 40
#: The sizes of type that a table is set in, largest first, and their widths in those of 10pt.
SIZES = {"small": 0.93, "footnotesize": 0.86, "scriptsize": 0.8}
#: Points between two columns; points at 10pt from which text is broken into lines.
GAP, WRAPPED = 7.0, 130.0
_SEPARATION = rf"\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}"
#: Characters of Computer Modern that take about 3.2 and 8 points at 10pt; a capital takes 7.2, any other 5.1.
NARROW, WIDE = "ijlIrtf.,:;'|!()[]- ", "mMwW±≈−+→×"


def to_latex(table: Table) -> str:
    """With \\usepackage{booktabs} and what the first line names beside it; notes stand in a line of their own.

    A table that is too wide is set smaller, then on a turned page, then in parts that repeat the leading columns of
    words; one that is too long goes on over pages. Both are no floats.
    """
    columns = list(range(len(table.columns)))
    layouts = [(PAGE, size) for size in list(SIZES)[:2]] + [(TURNED, size) for size in SIZES]
    room, size = next((fit for fit in layouts if _total(table, columns, fit[1]) <= fit[0]), layouts[-1])
    long = sum(1 + any(cell.note for cell in row.cells) for row in table.rows) > LINES
    if room == PAGE and not long:
        return _float(table, columns, size)
    return _pages(table, _parts(table, size, room), size, turned=room == TURNED)


def _float(table: Table, columns: list[int], size: str) -> str:
    header, rows = _latex_rows(table, columns)
    lines = [r"% \usepackage{array,booktabs}", r"\begin{table}[t]", rf"\centering\{size}{_SEPARATION}"]
    lines += [rf"\caption{{{escape_latex(table.caption)}}}", rf"\label{{tab:{table.name}}}"]
    lines += [rf"\begin{{tabular}}{{{_latex_columns(table, columns, size)}}}", r"\toprule", *header, r"\midrule"]
    lines += [*rows, r"\bottomrule", r"\end{tabular}", *_latex_notes(table), r"\end{table}", ""]
    return "\n".join(lines)


def _pages(table: Table, parts: list[list[int]], size: str, turned: bool) -> str:
    lines = [rf"% \usepackage{{array,booktabs,longtable{',pdflscape' if turned else ''}}}"]
    lines += [r"\begin{landscape}" if turned else r"\begingroup"]
    lines += [rf"\{size}{_SEPARATION}\setlength{{\LTcapwidth}}{{\linewidth}}"]
    for place, columns in enumerate(parts):
        header, rows = _latex_rows(table, columns)
        caption = f"{table.title}, further columns." if place else table.caption
        label = rf"\label{{tab:{table.name}{f'-{place + 1}' if place else ''}}}"
        lines += [rf"\begin{{longtable}}{{{_latex_columns(table, columns, size)}}}"]
        lines += [rf"\caption{{{escape_latex(caption)}}}{label}\\"]
        for end in (r"\endfirsthead", r"\endhead"):
            lines += [r"\toprule", *header, r"\midrule", end]
        lines += [r"\bottomrule", r"\endfoot", *rows, r"\end{longtable}"]
    return "\n".join([*lines, *_latex_notes(table), r"\end{landscape}" if turned else r"\endgroup", ""])


def _latex_rows(table: Table, columns: list[int]) -> tuple[list[str], list[str]]:
    """Lines of the header and of the body, small print below what it belongs to."""

    def show(cell: Cell) -> str:
        text = escape_latex(cell.text)
        text = rf"\textbf{{{text}}}" if cell.best else text
        text += f" {escape_latex(cell.spread)}" if cell.spread else ""
        return text + (r"\textsuperscript{\dag}" if cell.below_control else "")

    def line(texts: list[str], notes: list[str]) -> list[str]:
        if texts[0][:1] in ("[", "*"):  # the line break before would take it for its argument
            texts = ["{}" + texts[0], *texts[1:]]
        if not any(notes):
            return [" & ".join(texts) + r" \\"]
        small = [rf"{{\scriptsize {escape_latex(note)}}}" if note else "" for note in notes]
        return [" & ".join(texts) + r" \\*", " & ".join(small) + r" \\[2pt]"]

    shown = [table.columns[index] for index in columns]
    header = line([escape_latex(column.header) for column in shown], [column.note for column in shown])
    rows = []
    for row in table.rows:
        cells = [row.cells[index] for index in columns]
        rows += [r"\midrule"] if row.summary or row.rule else []
        rows += line([show(cell) for cell in cells], [cell.note for cell in cells])
    return header, rows


def _latex_columns(table: Table, columns: list[int], size: str) -> str:
    """The argument of tabular; text that is broken into lines gets a column of fixed width."""
    spec = ""
    for index in columns:
        if table.columns[index].numeric:
            spec += "r"
        elif _width(table, index) < WRAPPED:
            spec += "l"
        else:
            spec += rf">{{\raggedright\arraybackslash}}p{{{WRAPPED * SIZES[size]:.0f}pt}}"
    return f"@{{}}{spec}@{{}}"


def _latex_notes(table: Table) -> list[str]:
    return [rf"\par\smallskip{{\footnotesize {escape_latex(note)}\par}}" for note in table.notes]


def _width(table: Table, index: int) -> float:
    """Points that a column takes at 10pt; small print takes less."""
    column, cells = table.columns[index], [row.cells[index] for row in table.rows]
    widest = max(map(_points, [column.header, *(f"{cell.text} {cell.spread}".strip() for cell in cells)]))
    notes = max(map(_points, [column.note, *(cell.note for cell in cells)]))
    widest = max(widest, SIZES["scriptsize"] / SIZES["small"] * notes)
    return widest if column.numeric else min(widest, WRAPPED)


def _points(text: str) -> float:
    """Width of a text in Computer Modern at 10pt, to some percent."""
    return sum(3.2 if char in NARROW else 8.0 if char in WIDE else 7.2 if char.isupper() else 5.1 for char in text)


def _total(table: Table, columns: list[int], size: str) -> float:
    return sum(_width(table, index) * SIZES[size] + GAP for index in columns)


def _parts(table: Table, size: str, room: float) -> list[list[int]]:
    """Columns in as many parts as fit the width, each with the leading columns of words."""
    leading = next((index for index, column in enumerate(table.columns) if column.numeric), len(table.columns))
    head = list(range(leading))
    parts = [head]
    for index in range(leading, len(table.columns)):
        if len(parts[-1]) > leading and _total(table, [*parts[-1], index], size) > room:
            parts.append(head)
        parts[-1] = [*parts[-1], index]
    return parts


_LATEX = {
    **{char: rf"\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    MINUS: "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "—": "---",
    "†": r"\dag{}",
    "≈": r"$\approx$",
    "≥": r"$\ge$",
    "τ": r"$\tau$",
    "·": r"\textperiodcentered{}",
    "′": "$'$",
    "→": r"$\rightarrow$",
    "λ": r"$\lambda$",
    "γ": r"$\gamma$",
    "²": r"$^2$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
_LATEX_PATTERN = re.compile("|".join(re.escape(char) for char in _LATEX))


#: A paragraph or a control character ends a caption, or the run.
_BREAKS = f"[{UNPRINTABLE}]"
#: Letters behind these and punctuation beside them have no glyph in the fonts that every LaTeX has.
_LAST_LETTER, _PUNCTUATION = "\N{LATIN SMALL LETTER Z WITH CARON}", "“”‘’…"


def escape_latex(text: str) -> str:
    """The text with LaTeX's special characters escaped; signs that pdflatex has no glyph for are left out."""
    text = one_line(text, len(text)) + " " * text.endswith(" ") if re.search(_BREAKS, text) else text
    known = "".join(char for char in text if char <= _LAST_LETTER or char in _LATEX or char in _PUNCTUATION)
    return _LATEX_PATTERN.sub(lambda match: _LATEX[match[0]], known)
