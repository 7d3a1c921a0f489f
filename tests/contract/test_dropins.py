"""Whatever people add is one new file or folder and no second edit: it appears everywhere, and goes when the file goes.

One copy of the checkout gets a file of every kind; a small suite runs with them and, once they are deleted, without.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Checkout

pytestmark = pytest.mark.workflow

METHOD = '''"""Distance of a sample's mean from the training mean: a brighter or darker one is anomalous."""

import numpy as np

NAME = "Toy distance of means"
LABEL = "Toy mean"
PAPER = "Nobody: A Toy. 2020"
FAMILY = "classical"
DETERMINISTIC = True


class Method:
    def __init__(self, spec, seed, device):
        self.mean = 0.0

    def fit(self, X, X_valid):
        self.mean = float(np.asarray(X).mean())

    def decision_function(self, X):
        X = np.asarray(X)
        return np.abs(X.reshape(len(X), -1).mean(1) - self.mean)

    def state_dict(self):
        return {"mean": np.array([self.mean])}

    def load_state_dict(self, state):
        self.mean = float(state["mean"][0])
'''

DATASET = '''"""Flat windows and windows with a step in the middle."""

import numpy as np

from anomark.contracts import Prepared

NAME = "Toy windows with a step"
LABEL = "Toy steps"
MODALITY = "series"
LEVEL = "window"
LICENCE = "MIT"
DEFAULTS = {"rows": 30}


def prepare(raw, *, rows):
    noise = np.random.default_rng(0).normal(0, 0.1, (3 * rows, 1, 32)).astype(np.float32)
    noise[2 * rows :, :, 16:] += 1
    return Prepared(train=noise[:rows], test=noise[rows:], labels=np.repeat(np.array([0, 1], np.uint8), rows))
'''

METRIC = '''"""Mean score of anomalous samples minus that of normal ones, after ranks took the place of scores."""

import numpy as np
from scipy.stats import rankdata

NAME = "Toy difference of mean ranks"
LABEL = "Toy gap"
LEVELS = ("image", "window")
RANGE = (-1.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Nobody 2020, A Toy"


def compute(labels, scores, context):
    labels = np.asarray(labels, dtype=bool)
    if labels.all() or not labels.any():
        return float("nan")
    ranks = rankdata(scores) / len(scores)
    return float(2 * (ranks[labels].mean() - ranks[~labels].mean()))
'''

PAPER = """title: Toy Numbers of Two Methods
authors: [No Body]
year: 2020
citation: "No Body: Toy Numbers of Two Methods. 2020."
protocol: Two methods on two datasets.
ours: nearest_train
baseline: median_distance
tables:
  - id: main
    title: Table A
    caption: AUROC
    file: main.csv
    unit: percent
    modality: image
    datasets: {zero: digits-0}
    methods: {NN: nearest_train, Median: median_distance}
  - id: second
    title: Table B
    caption: AUROC
    file: second.csv
    unit: percent
    modality: series
    datasets: {beats: beats}
    methods: {NN: nearest_train, Median: median_distance}
tolerance: 0.02
claims:
  - {kind: gain, table: main, measure: points, stated: "5.0", where: abstract}
"""

SECTION = '''"""A section that counts."""

from anomark.report.section import Section, Text


def build(results):
    return Section("toy-section", "Toy section", f"It counts **{len(results.datasets)}** datasets.", [Text("Counted.")])
'''

MODALITY = '''"""Graphs: adjacency matrices (N, n, n) of undirected graphs."""

import numpy as np

NOUN = "graphs"
LABEL = "Graph"
ORDER = 90
LEVELS = {"graph": 3}
SAMPLES = (((6, 6), (0.0, 1.0)), ((9, 9), (0.0, 1.0)))
RESIZABLE = False
SCALOGRAM = None
PICTURES = {}


def check(prepared):
    rows, columns = prepared.train.shape[1:]
    return None if rows == columns else f"an adjacency matrix has {rows} rows and {columns} columns"


def synthetic():
    return ()
'''

GRAPHS = '''"""Sparse random graphs; dense ones are anomalous."""

import numpy as np

from anomark.contracts import Prepared

NAME = "Toy random graphs"
LABEL = "Toy graphs"
MODALITY = "graph"
LEVEL = "graph"
LICENCE = "MIT"


def prepare(raw):
    rng = np.random.default_rng(1)
    density = np.repeat([0.2, 0.2, 0.7], 24)
    upper = np.triu(rng.random((72, 6, 6)) < density[:, None, None], 1)
    graphs = (upper | upper.transpose(0, 2, 1)).astype(np.float32)
    return Prepared(
        train=graphs[:24],
        test=graphs[24:],
        labels=np.repeat(np.array([0, 1], np.uint8), 24),
        value_range=(0.0, 1.0),
    )
'''

DEGREE = METHOD.replace("Toy mean", "Toy degree").replace(
    'FAMILY = "classical"', 'FAMILY = "classical"\nMODALITIES = ("graph",)'
)

#: What is dropped in: path -> text. Nothing else of the checkout is edited.
FILES = {
    "methods/toy_mean.py": METHOD,
    "datasets/toy_steps.py": DATASET,
    "metrics/toy_gap.py": METRIC,
    "papers/toy2020/paper.yaml": PAPER,
    "papers/toy2020/main.csv": "dataset,NN,Median\nzero,97.1,92.1\n",
    "papers/toy2020/second.csv": "dataset,NN,Median\nbeats,95.0,90.0\n",
    "anomark/report/sections/97_toy.py": SECTION,
    "anomark/modalities/graph.py": MODALITY,
    "datasets/toy_graphs.py": GRAPHS,
    "methods/toy_degree.py": DEGREE,
}
KEPT = {"constant", "random_score", "nearest_train", "median_distance"}
SUITE = """suite: toys
datasets: [{datasets}]
seeds: [0]
papers: [{papers}]
highlight: []
sweep: {{methods: []}}
preprocessing: {{size: 8}}
exclude: [{exclude}]
core_seconds: {{other: 1}}
"""


@dataclass(frozen=True)
class Seen:
    """What a person sees of one state of the checkout."""

    lists: dict[str, str]
    docs: str
    metrics: pd.DataFrame
    results: str
    page: str
    tables: set[str]


def look(copy: Checkout, datasets: str, papers: str) -> Seen:
    """Run the suite and read what came out."""
    from anomark.suite import registry

    excluded = ", ".join(sorted(set(registry.methods()) - KEPT))
    copy.suite(SUITE.format(datasets=datasets, papers=papers, exclude=excluded), "toys.yaml")
    done = copy.snakemake("--configfile", "toys.yaml")
    assert done.returncode == 0, done.stdout
    kinds = ("methods", "datasets", "metrics", "papers", "sections", "modalities")
    lists = {}
    for kind in kinds:
        listed = copy.anomark("list", kind)
        assert listed.returncode == 0, listed.stderr
        lists[kind] = listed.stdout
    assert (written := copy.anomark("docs")).returncode == 0, written.stderr
    docs = "\n".join(path.read_text() for path in sorted((copy.path / "docs").glob("*.md")))
    report = copy.path / "reports/toys"
    return Seen(
        lists=lists,
        docs=docs + (copy.path / "ARCHITECTURE.md").read_text(),
        metrics=pd.read_csv(copy.path / "results/toys/metrics.csv"),
        results=(report / "results.json").read_text(),
        page=(report / "index.html").read_text(),
        tables={path.name for path in (report / "tables").iterdir()},
    )


@pytest.fixture(scope="module")
def states(checkout: Callable[[], Checkout]) -> tuple[Seen, Seen]:
    """The checkout with all files dropped in, and after they were deleted."""
    copy = checkout()
    for name, text in FILES.items():
        path = copy.path / name
        assert not path.exists(), f"{name} would overwrite a file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    present = look(copy, "digits-0, beats, toy-steps, toy-graphs", "toy2020")
    for name in FILES:
        (copy.path / name).unlink()
    shutil.rmtree(copy.path / "papers/toy2020")
    absent = look(copy, "digits-0, beats", "")
    return present, absent


def test_a_method_appears_and_goes(states: tuple[Seen, Seen]) -> None:
    present, absent = states
    scored = set(present.metrics[present.metrics["method"] == "toy_mean"]["dataset"])
    assert scored == {"digits-0", "beats", "toy-steps", "toy-graphs"}, "it names no modality, so it fits all"
    assert "toy_mean" in present.lists["methods"] and "Toy mean" in present.page
    assert "Toy distance of means" in present.docs
    assert any(entry["id"] == "toy_mean" for entry in json.loads(present.results)["methods"])
    assert "toy_mean" not in set(absent.metrics["method"]) and "toy_mean" not in absent.lists["methods"]
    assert "toy_mean" not in absent.results and "Toy mean" not in absent.page + absent.docs


def test_a_dataset_appears_and_goes(states: tuple[Seen, Seen]) -> None:
    present, absent = states
    rows = present.metrics[(present.metrics["dataset"] == "toy-steps") & (present.metrics["metric"] == "auroc")]
    assert rows.set_index("method")["value"]["nearest_train"] == 1.0
    assert "toy-steps" in present.lists["datasets"] and "Toy steps" in present.page
    assert "Toy windows with a step" in present.docs and '"toy-steps"' in present.results
    assert "toy-steps" not in absent.lists["datasets"] + absent.results + absent.page + absent.docs


def test_a_metric_appears_and_goes(states: tuple[Seen, Seen]) -> None:
    present, absent = states
    rows = present.metrics[present.metrics["metric"] == "toy_gap"].set_index(["dataset", "method"])["value"]
    assert rows["toy-steps", "oracle"] == pytest.approx(1.0)
    assert ("digits-0", "nearest_train") in rows.index and "toy-graphs" not in rows.index.get_level_values(0)
    assert "toy_gap" in present.lists["metrics"] and "Toy gap" in present.page and "Toy gap" in present.docs
    assert any(entry["id"] == "toy_gap" for entry in json.loads(present.results)["metrics"])
    assert "toy_gap" not in set(absent.metrics["metric"]) and "toy_gap" not in absent.lists["metrics"]
    assert "toy_gap" not in absent.results and "Toy gap" not in absent.page + absent.docs


def test_a_paper_appears_and_goes(states: tuple[Seen, Seen]) -> None:
    present, absent = states
    assert "toy2020" in present.lists["papers"] and "Toy Numbers of Two Methods" in present.page
    assert "Table A" in present.page and "Toy Numbers of Two Methods" in present.docs
    numbers = json.loads(present.results)["numbers"]
    published = {
        (n["dataset"], n["method"]): n["published"] for n in numbers if n["metric"] == "auroc" and n["published"]
    }
    assert published["digits-0", "nearest_train"] == pytest.approx(0.971)
    assert "toy2020" not in absent.lists["papers"] and "toy2020" not in absent.results
    assert "Toy Numbers" not in absent.page + absent.docs
    assert any("main" in name for name in present.tables) and not any("main" in name for name in absent.tables)


def test_a_section_appears_and_goes(states: tuple[Seen, Seen]) -> None:
    present, absent = states
    assert 'id="toy-section"' in present.page and "It counts <strong>4</strong> datasets" in present.page
    assert "toy" in present.lists["sections"]
    assert "toy-section" not in absent.page and "toy" not in absent.lists["sections"]


def test_a_modality_appears_and_goes(states: tuple[Seen, Seen]) -> None:
    present, absent = states
    rows = present.metrics[(present.metrics["dataset"] == "toy-graphs") & (present.metrics["metric"] == "auroc")]
    scores = rows.set_index("method")["value"]
    assert scores["toy_degree"] > 0.95 and "nearest_train" in scores
    assert "graph" in present.lists["modalities"] and "Toy graphs" in present.page and "graphs" in present.docs
    assert any(entry["modality"] == "graph" for entry in json.loads(present.results)["datasets"])
    assert "graph" not in absent.lists["modalities"] and "toy_degree" not in absent.results


def test_every_dropped_file_passes_its_checks(checkout: Callable[[], Checkout]) -> None:
    copy = checkout()
    for name, text in FILES.items():
        path: Path = copy.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in FILES:
        if name.endswith(".py") and "sections" not in name:
            done = copy.anomark("check", name)
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
