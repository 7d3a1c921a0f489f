"""The report as one self-contained HTML file: no request leaves it, on a phone, on paper or in a mail."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from anomark.modality import load
from anomark.report.figures import INK, Picture, load_examples
from anomark.report.published import file_name
from anomark.report.render.formats import templates, to_html
from anomark.report.render.interactive import bokeh_js, series_plot
from anomark.report.results import Results, worst
from anomark.report.table import Table, number
from anomark.report.verdict import verdict

#: Shape beside colour, so that the coverage matrix reads in greyscale too.
GLYPHS = {
    "done": "●",
    "failed": "✕",
    "timeout": "◷",
    "oom": "▣",
    "diverged": "∞",
    "refused": "⊘",
    "skipped": "○",
    "n/a": "·",
}


@dataclass(frozen=True)
class Coverage:
    """How the cells of one method on one dataset ended."""

    status: str
    glyph: str
    text: str


@dataclass(frozen=True)
class Problem:
    """One method's cells on one dataset that ended the same way, without a score."""

    dataset: str
    method: str
    status: str
    reason: str
    seeds: str


def write_page(results: Results, tables: list[Table], pictures: list[Picture], path: Path) -> None:
    """Write index.html; equal input gives equal bytes (the date is the run's, not the clock's)."""
    page = templates().get_template("page.html.j2")
    drawn = {dataset: load_examples(results, dataset) for dataset in results.datasets}
    plots = {
        f"{dataset}-series": Markup(series_plot(results, dataset, stored))
        for dataset, stored in drawn.items()
        if "signal" in stored
    }
    path.write_text(
        page.render(
            results=results,
            nouns={modality: load(modality).NOUN for modality in results.modalities},
            verdict=[emphasise(sentence) for sentence in verdict(results)],
            tables={table.name: table for table in tables},
            to_html=lambda table: Markup(to_html(table)),
            pictures={
                kind: [p for p in pictures if p.kind == kind]
                for kind in ("bars", "wide", "ablation", "ranks", "cost", "sweep", "protocol")
            },
            plots=plots,
            bokeh=Markup(bokeh_js()) if plots else "",
            embed=embed,
            file_name=file_name,
            facts=facts,
            coverage=coverage,
            glyphs=GLYPHS,
            problems=problems(results),
            choices=choices(results),
            provenance=provenance(results),
            config=flatten(results.suite.get("config", {})),
        )
    )


def emphasise(sentence: str) -> Markup:
    """**bold** -> <strong>bold</strong>, everything else escaped."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(Markup.escape(sentence))))


def embed(picture: Picture) -> Markup:
    """The picture as inline SVG or as a PNG data URI, whichever is smaller; the SVG takes the page's ink."""
    svg, png = picture.svg.read_text(), base64.b64encode(picture.png.read_bytes()).decode("ascii")
    if len(svg) > len(png):
        return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(Markup(png), picture.alt)
    svg = svg[svg.index("<svg") :]  # no XML prologue inside HTML
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Every picture brings the same names for its defs; on one page they must differ.
    prefix = re.sub(r"\W", "_", picture.name)
    svg = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    label = Markup('<svg role="img" aria-label="{}" ').format(picture.alt)
    return Markup(svg.replace(INK, "currentColor").replace("<svg ", str(label), 1))


def facts(results: Results, dataset: str) -> list[tuple[str, str]]:
    """What a dataset's section says about the data."""
    summary = results.datasets[dataset]
    low, high = summary["random_band"]
    rows = [
        ("Level", summary["level"]),
        ("Train", f"{summary['n_train']:,} normal {'windows' if summary['window'] else summary['level'] + 's'}"),
        ("Test", f"{summary['n_labels']:,} {summary['level']}s, {summary['n_anomalous']:,} anomalous"),
        ("Sample", " × ".join(str(side) for side in summary["shape"])),
    ]
    if summary["window"]:
        rows.append(("Window", f"{summary['window']} steps, stride {summary['stride']}"))
    rows.append(("Random, 95%", f"{number(low)}–{number(high)}"))
    for key, label in (("normal_class", "Normal class"), ("licence", "Licence"), ("source", "Source")):
        if summary.get(key):
            rows.append((label, str(summary[key])))
    return rows


def coverage(results: Results, dataset: str, method: str) -> Coverage:
    rows = results.outcome(dataset, method)
    if rows.empty:
        return Coverage("absent", "", "not in this suite")
    status, reason = worst(rows)
    done = int((rows["status"] == "done").sum())
    text = status + (f", {done} of {len(rows)} seeds done" if 0 < done < len(rows) else "")
    return Coverage(status, GLYPHS.get(status, "?"), text + (f": {reason}" if reason else ""))


def problems(results: Results) -> list[Problem]:
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
    found = [Problem(*cell, seeds=", ".join(named)) for cell, named in seeds.items()]
    # What does not fit a modality is expected; it comes last.
    return sorted(found, key=lambda problem: problem.status == "n/a")


def choices(results: Results) -> list[tuple[str, list[str]]]:
    """Each choice made where the sources are silent, and the datasets it concerns; of a variant what it adds."""
    concerned: dict[str, list[str]] = {}
    for dataset, summary in results.summaries.items():
        known = results.summaries.get(summary["base"], {}).get("choices", ()) if summary["protocol"] else ()
        for choice in summary.get("choices", ()):
            if choice not in known:
                concerned.setdefault(choice, []).append(results.label(dataset))
    return list(concerned.items())


def provenance(results: Results) -> list[tuple[str, str]]:
    suite = results.suite
    rows = [("suite", results.name), ("date", suite.get("date")), ("commit", suite.get("commit"))]
    rows += [("working tree", "modified")] if suite.get("modified") else []
    rows += [("not available", how) for how in suite.get("absent", {}).values()]
    rows += [("seeds", ", ".join(str(seed) for seed in suite["seeds"])), *suite.get("environment", {}).items()]
    return [(str(key), str(value)) for key, value in rows if value not in (None, "")]


def flatten(config: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """{"a": {"b": 1}} -> [("a.b", "1")]"""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            rows += flatten(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows
