"""The report stage as a whole: its files, their bytes, its pictures, what it imports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from anomark.contracts import DataError
from anomark.report.machine import schema
from anomark.report.render.page import emphasise
from anomark.report.render.stored import decimate
from anomark.stages.report import report as write_report
from anomark.suite import registry
from anomark.suite.papers import papers
from tests.report_fixture import BAD, DATASETS, METHODS, section_file, write_evaluation

#: One dataset a kind of picture.
SHOWN = ("mvtec-metal_nut", "nab-nyc_taxi", "ucr-ECG200")


def build(root: Path, out: str) -> Path:
    suite, evaluation = write_evaluation(root, SHOWN)
    write_report(suite, evaluation, root / out, root / "results")
    return root / out


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("report"), "report")


def test_writes_what_it_promises(report: Path) -> None:
    for table in ("table1", "table2", "table3", "leaderboard"):
        for form in ("csv", "md", "tex", "html"):
            assert (report / "tables" / f"{table}.{form}").stat().st_size
    for dataset in SHOWN:
        _, modality, _ = DATASETS[dataset]
        drawn = ("gallery",) if modality == "image" else ("scalograms",)
        for kind in ("auroc", "curves", "training", *drawn):
            for form in ("svg", "png", "pdf"):
                assert (report / "figures" / f"{dataset}-{kind}.{form}").stat().st_size
    for name in ("overview-image", "overview-series", "ablation", "cost", "sweep-wavediff"):
        assert (report / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    swept = pd.read_csv(report.parent / "results/sweep.csv")
    assert set(swept[swept.differs.isin(["nothing", "calls"])].calls) == {1, 2, 5, 10, 25, 50, 250}
    metrics = pd.read_csv(report.parent / "results" / "metrics.csv")
    assert list(metrics.columns[:5]) == ["dataset", "method", "seed", "metric", "value"]
    coverage = pd.read_csv(report.parent / "results" / "coverage.csv", keep_default_na=False)
    assert {(d, m["id"]) for d in SHOWN for m in METHODS} == set(
        zip(coverage["dataset"], coverage["method"], strict=True)
    )


def test_results_for_machines_keep_their_schema_and_their_protocol(report: Path) -> None:
    content = json.loads((report / "results.json").read_text())
    jsonschema.validate(content, json.loads(schema()), cls=jsonschema.Draft202012Validator)
    metrics = pd.read_csv(report.parent / "results/metrics.csv")
    key = ["dataset", "method", "metric"]
    means = metrics.groupby(key)["value"].mean()
    assert {tuple(n[k] for k in key): n["mean"] for n in content["numbers"]} == pytest.approx(means.to_dict())
    assert all(set(map(int, n["by_seed"])) <= set(content["seeds"]) for n in content["numbers"])
    assert all(
        "Level: " in d["protocol"] and "seeds" in d["protocol"] and "f: " in d["protocol"] for d in content["datasets"]
    )
    bad = {(c["dataset"], c["method"]): c["reason"] for c in content["cells"] if c["status"] == "failed"}
    assert bad == {("mvtec-metal_nut", "vae"): BAD["mvtec-metal_nut", "vae", None][1]}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs the program pdflatex, which is not on the PATH")
def test_latex_tables_compile_and_none_is_wider_than_its_page(report: Path, tmp_path: Path) -> None:
    tables = sorted((report / "tables").glob("*.tex"))
    packages = sorted({p for t in tables for p in re.findall(r"^% .usepackage\{(.*)\}", t.read_text())[0].split(",")})
    assert "booktabs" in packages
    inputs = "".join(rf"\input{{{table}}}\clearpage" for table in tables)
    document = (
        rf"\documentclass{{article}}\usepackage{{{','.join(packages)}}}\begin{{document}}{inputs}\end{{document}}"
    )
    (tmp_path / "tables.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    for _ in range(2):  # longtable finds its widths in the second run
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert run.returncode == 0, run.stdout[-3000:]
    too_wide = [float(points) for points in re.findall(r"Overfull .hbox \(([\d.]+)pt", run.stdout)]
    assert max(too_wide, default=0.0) < 3
    assert (tmp_path / "tables.pdf").read_bytes().startswith(b"%PDF")


def test_same_input_gives_the_same_bytes(report: Path, tmp_path: Path) -> None:
    again = build(tmp_path, "report")
    files = sorted(path.relative_to(report) for path in report.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [f for f in files if (report / f).read_bytes() != (again / f).read_bytes()] == []


def test_page_is_one_file_that_asks_for_nothing(report: Path) -> None:
    page = (report / "index.html").read_text()
    # BokehJS names addresses that it could ask for maps and formulas; the browser test sees that it asks for none.
    markup = re.sub(r'<script id="bokeh">.*?</script>|xmlns(:\w+)?="[^"]*"', "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=.https?:|url\(.?https?:|<link rel=.stylesheet|<script src", markup)
    assert "default-src 'none'" in page


def test_page_ids_are_unique_and_references_resolve(report: Path) -> None:
    page = re.sub(r'<script id="bokeh">.*?</script>', "", (report / "index.html").read_text(), flags=re.DOTALL)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:xlink:)?href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(ids)


def test_every_parameter_that_the_paper_leaves_open_is_listed(report: Path) -> None:
    switches = {"adapter", "hybrid_embedding"}  # the paper's own parts; Table III switches them off
    (paper,) = (paper for paper in papers().values() if paper.left_open)
    assert paper.left_open is not None
    assert set(paper.left_open.parameters) == set(registry.find_method(paper.ours).defaults) - switches
    rows = pd.read_csv(report / "tables" / "parameters.csv", index_col="parameter")["value"]
    assert rows["wavelet"] == "db2"
    assert rows["width"] == "32 (MVTec metal nut, ECG200); 16 (NYC taxi)"
    assert rows["start"] == "100 (MVTec metal nut); 250 (NYC taxi, ECG200)"


def test_every_caption_says_its_protocol(report: Path) -> None:
    page = (report / "index.html").read_text()
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, flags=re.DOTALL)
    assert len(captions) == len(re.findall("<figure[ >]", page))
    assert all("Level: " in caption and "seeds" in caption and "f: " in caption for caption in captions)


def test_page_escapes_reasons(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "&lt;shape (1, 64, 64)&gt;" in page
    assert "<shape" not in page


def test_missing_evaluation_ends_with_one_sentence(tmp_path: Path) -> None:
    suite, evaluation = write_evaluation(tmp_path)
    (evaluation / "series" / "roc.csv").unlink()
    with pytest.raises(DataError, match=r"roc\.csv does not exist"):
        write_report(suite, evaluation, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_stage_does_not_import_torch() -> None:
    code = "import sys, anomark.stages.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_decimation_keeps_spikes_and_order() -> None:
    values = np.zeros(100_000)
    values[[777, 54_321]] = 9.0, -7.0
    steps, drawn = decimate(values, 500)
    assert len(steps) <= 1000
    assert (np.diff(steps) >= 0).all()
    assert (drawn.max(), drawn.min()) == (9.0, -7.0)
    assert steps[drawn.argmax()] == 777


def test_decimation_leaves_short_series_alone() -> None:
    steps, drawn = decimate(np.arange(10.0), 5)
    assert steps.tolist() == list(range(10))
    assert drawn.tolist() == list(range(10))


def test_what_matters_in_a_sentence_is_set_in_bold() -> None:
    assert emphasise("**12 of 14** cells <x>, Digits 0.") == "<strong>12 of 14</strong> cells &lt;x&gt;, Digits 0."


def test_flatten() -> None:
    flatten = section_file("98_environment").flatten
    assert flatten({"a": {"b": 1}, "c": [2], "d": {}}) == [("a.b", "1"), ("c", "[2]"), ("d", "{}")]
