"""The suites, their schema and its documentation agree, and a typo ends in one sentence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from anomark.contracts import AnomarkError
from anomark.files import read_yaml
from anomark.runtime import progress
from anomark.suite import config, registry, select
from anomark.suite.dropins import ROOT
from anomark.suite.papers import find_paper
from anomark.suite.plan import Plan

DEFAULT = read_yaml(ROOT / "config/default.yaml")


@pytest.mark.parametrize("name", config.suites())
def test_shipped_suites_are_valid(name: str) -> None:
    suite = config.load(name)
    assert suite.suite == name, "a suite bears the name of its file"


def test_the_paper_suite_has_every_row_of_the_papers_tables() -> None:
    suite = config.load("paper")
    rows = {dataset for name in suite.papers for dataset, _ in find_paper(name).numbers}
    others = [set(config.load(name).datasets) for name in ("paper-cpu", "paper-quick")]
    assert rows and all(rows <= datasets for datasets in (set(suite.datasets), *others))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"only": "knn"}, ["knn"]),
        ({"only": "knn,lof"}, ["knn", "lof"]),
        ({"only": "[knn, lof]"}, ["knn", "lof"]),
        ({"datasets": "series"}, ["series"]),
        ({"seeds": 3}, [3]),
        ({"seeds": "0,1"}, [0, 1]),
        ({"seeds": "[0,1]"}, [0, 1]),
        ({"papers": ""}, []),
    ],
)
def test_a_list_may_be_written_as_one_word(given: dict[str, Any], expected: list[Any]) -> None:
    """As `--config only=knn` gives it: text, or a number, where a list is asked for."""
    (key,) = given
    assert getattr(config.validate(DEFAULT | given, "mine.yaml"), key) == expected


def test_a_budget_and_a_cost_may_differ_between_modalities() -> None:
    change = {
        "datasets": ["digits-0", "beats"],
        "only": ["vae", "knn"],
        "budget": {"steps": 7, "image": {"steps": 9}},
        "core_seconds": {"vae": 3, "series": {"vae": 4, "other": 2}},
    }
    cells = Plan(config.validate(config.merge(DEFAULT, change), "mine.yaml")).cells
    steps = {cell.dataset: cell.parts.params["steps"] for cell in cells if cell.method == "vae"}
    assert steps == {"digits-0": 9, "beats": 7}
    costs = {(cell.dataset, cell.method): cell.core_seconds for cell in cells}
    assert (costs["digits-0", "vae"], costs["beats", "vae"], costs["beats", "knn"]) == (3, 4, 2)


def test_a_method_may_have_fewer_seeds_and_milestones_concern_what_is_trained() -> None:
    change = {"datasets": ["beats"], "only": ["vae", "ddpm", "knn", "untrained"], "seeds": [0, 1]}
    plain = {(c.method, c.seed): c for c in Plan(config.validate(config.merge(DEFAULT, change), "mine.yaml")).cells}
    change |= {"method_seeds": {"ddpm": [1]}, "milestones": 3}
    cells = {(c.method, c.seed): c for c in Plan(config.validate(config.merge(DEFAULT, change), "mine.yaml")).cells}
    assert cells.keys() == plain.keys() - {("ddpm", 0)}
    assert {method for (method, seed), cell in cells.items() if cell.key != plain[method, seed].key} == {"vae", "ddpm"}
    assert {method for (method, _), cell in cells.items() if cell.parts.milestones} == {"vae", "ddpm"}


def test_every_key_is_described() -> None:
    for schema in config.SCHEMAS.values():
        assert all(field.description for field in schema.model_fields.values())


def declared(plan: Plan) -> float:
    return sum(cell.core_seconds for cell in plan.cells)


def test_default_suite_fits_its_budget() -> None:
    """Declared core-seconds: under 1,000 for the default suite (DESIGN), each method's cost declared."""
    assert declared(Plan(config.load("default"))) < 1000


def test_sensitivity_holds_the_rows_of_the_papers_tables_and_variants_with_their_bases() -> None:
    suite = config.load("sensitivity")
    assert {method for name in suite.papers for _, method in find_paper(name).numbers} <= set(suite.only)
    bases = {dataset: registry.find_dataset(dataset).base for dataset in suite.datasets}
    assert {base for base in bases.values() if base} == {dataset for dataset, base in bases.items() if not base}


def test_sensitivity_fits_half_an_hour_on_two_cores(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMARK_DATA", str(data_root))
    assert declared(Plan(config.load("sensitivity"))) < 3600


def test_no_pattern_of_a_suite_reaches_a_variant() -> None:
    for name in set(config.suites()) - {"sensitivity", "dte"}:  # which name their variants
        assert not any(registry.find_dataset(d.id).protocol for d in select.datasets(config.load(name)))


def test_a_variant_takes_the_parameters_of_its_base() -> None:
    change = {"datasets": ["beats", "beats-train-50"], "dataset_params": {"beats": {"seed": 3}}}
    data = Plan(config.validate(config.merge(DEFAULT, change), "mine.yaml")).data
    assert data["beats-train-50"].params == data["beats"].params | {"train_share": 0.5}
    assert (data["beats-train-50"].base, data["beats-train-50"].protocol) == ("beats", "50% of training")
    assert data["beats"].base == "beats" and data["beats"].key != data["beats-train-50"].key


def test_only_limits_a_suite_to_its_methods() -> None:
    change = {"datasets": ["beats"], "only": ["vae", "knn"], "include": ["anogan-fast"], "exclude": ["knn"]}
    assert [m.id for m in Plan(config.validate(config.merge(DEFAULT, change), "mine.yaml")).methods] == [
        "anogan-fast",
        "vae",
    ]


def test_paper_cpu_names_what_is_absent_and_fits_three_hours_on_two_cores(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANOMARK_DATA", str(data_root))
    planned = Plan(config.load("paper-quick"))
    assert declared(planned) < 3 * 3600 * 2
    assert planned.data.keys() | planned.absent.keys() == set(config.load("paper-quick").datasets)
    absent = {f"mvtec-{category}" for category in ("cable", "hazelnut", "pill", "tile")} & planned.absent.keys()
    monkeypatch.setattr(progress.threading, "Thread", lambda **_: SimpleNamespace(start=lambda: None))
    progress.watch(planned, 2)
    said = capsys.readouterr().err
    for dataset in absent:
        category = dataset.removeprefix("mvtec-")
        assert f"not available: {dataset} (mvtec/{category}/" in said and "from https://www.mvtec.com" in said
    assert "pems-bay" in planned.data or "not available: pems-bay" in said


def test_the_suite_of_the_papers_tables_runs_its_rows_three_times_and_its_ablations_once(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMARK_DATA", str(data_root))
    planned = Plan(config.load("paper-cpu"))
    (paper,) = planned.papers
    seeds: dict[tuple[str, str], set[int]] = {}
    for cell in planned.cells:
        seeds.setdefault((cell.dataset, cell.method), set()).add(cell.seed)
    rows = {cell for cell in paper.numbers if cell[0] in planned.data}
    assert rows and all(seeds[row] == {0, 1, 2} for row in rows)
    further = {name for table in paper.ablations for name in (*table.rows.values(), *table.further)} - {"wavediff"}
    assert len(further) == 7
    assert all(seeds[dataset, name] == {0} for dataset, _ in rows for name in further)
    assert declared(planned) < 25 * 3600


def test_the_two_paper_suites_for_a_cpu_differ_in_their_datasets_alone() -> None:
    tables, text = (config.load(name).model_dump() for name in ("paper-quick", "paper-cpu-text"))
    assert {key for key in tables if tables[key] != text[key]} == {"suite", "datasets", "limits"}
    assert {*tables["datasets"], *text["datasets"]} >= set(config.load("paper").datasets) - {"urbansound8k-*"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seds": [0]}, ("seds", "did you mean 'seeds'")),
        ({"limits": {"second": 3}}, ("limits.second", "did you mean 'seconds'")),
        ({"seeds": "zero"}, ("seeds", "zero", "integer")),
        ({"seeds": [0, 0]}, ("seeds", "repeated")),
        ({"device": "tpu"}, ("device", "tpu", "cpu")),
        ({"datasets": []}, ("datasets",)),
        ({"suite": "../up"}, ("suite", "../up")),
        ({"budget": {"imag": {"steps": 3}}}, ("budget", "'imag'", "no modality", "did you mean 'image'")),
        ({"budget": {"image": 3}}, ("budget", "'image' is a modality")),
        ({"budget": {"steps": "many"}}, ("budget: steps is 'many'", "number")),
        ({"budget": {"image": {"steps": "many"}}}, ("budget: steps is 'many' for image", "number")),
        ({"method_seeds": {"vae": [7]}}, ("method_seeds", "vae has the seeds [7]", "some of the suite's")),
        ({"method_seeds": {"vae": []}}, ("method_seeds.vae",)),
        ({"milestones": -1}, ("milestones", "-1")),
    ],
)
def test_a_wrong_key_or_value_is_named(change: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(AnomarkError) as error:
        config.validate(config.merge(DEFAULT, change), "mine.yaml")
    message = str(error.value)
    assert message.startswith("mine.yaml: ") and "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datasets": ["digts-0"]}, ("digts-0", "digits-0")),
        ({"datasets": ["textures-*", "nothing-*"]}, ("nothing-*",)),
        ({"exclude": ["kn"]}, ("kn", "'knn'")),
        ({"budget": {"stesp": 3}}, ("stesp", "'steps'")),
        ({"budget": {"image": {"stesp": 3}}}, ("stesp", "'steps'")),
        ({"core_seconds": {"image": {"wae": 3}}}, ("wae", "'vae'")),
        ({"method_seeds": {"wae": [0]}}, ("wae", "'vae'")),
        ({"preprocessing": {"siz": 3}}, ("siz", "'size'")),
        ({"preprocessing": {"size": 0}}, ("preprocessing: size is 0", "above 0")),
        ({"preprocessing": {"size": -16}}, ("preprocessing: size is -16", "above 0")),
        ({"preprocessing": {"size": 16.5}}, ("preprocessing: size is 16.5", "one like 32")),
        ({"dataset_params": {"textures": {"size": 0}}}, ("textures: size is 0", "above 0")),
        ({"params": {"vae": {"widht": 3}}}, ("widht", "'width'")),
        ({"dataset_params": {"texture": {"size": 3}}}, ("texture", "'textures'")),
        ({"core_seconds": {"wae": 3}}, ("wae", "'vae'")),
    ],
)
def test_an_unknown_name_suggests_the_nearest(change: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(AnomarkError) as error:
        Plan(config.validate(config.merge(DEFAULT, change), "mine.yaml"))
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


def test_unknown_suite(tmp_path: Path) -> None:
    with pytest.raises(AnomarkError, match="did you mean 'paper-cpu'"):
        config.load("papr-cpu")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    with pytest.raises(AnomarkError, match="not valid YAML"):
        config.load(str(broken))


def test_missing_data_is_listed_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = config.validate(config.merge(DEFAULT, {"datasets": ["mvtec-bottle", "nab-nyc_taxi"]}), "mine.yaml")
    monkeypatch.delenv("ANOMARK_DATA", raising=False)
    with pytest.raises(AnomarkError, match=r"data_root.*mvtec-bottle.*http.*nab-nyc_taxi"):
        Plan(suite)
    monkeypatch.setenv("ANOMARK_DATA", str(tmp_path / "absent"))
    with pytest.raises(AnomarkError, match="no such folder"):
        Plan(suite)
    monkeypatch.setenv("ANOMARK_DATA", str(tmp_path))
    with pytest.raises(AnomarkError, match=r"missing are mvtec-bottle .*; nab-nyc_taxi"):
        Plan(suite)


def test_a_run_does_without_data_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMARK_DATA", str(tmp_path))
    merged = config.merge(DEFAULT, {"datasets": ["mvtec-bottle", "beats"]})
    plan = Plan(config.validate(merged, "mine.yaml"))
    assert list(plan.data) == ["beats"] == [d.id for d in plan.datasets]
    assert "mvtec/bottle" in plan.absent["mvtec-bottle"] and "https://www.mvtec.com" in plan.absent["mvtec-bottle"]
    assert {cell.dataset for cell in plan.cells} == {"beats"}
    monkeypatch.delenv("ANOMARK_DATA")
    plan = Plan(config.validate(merged, "mine.yaml"))
    assert list(plan.data) == ["beats"] and plan.absent["mvtec-bottle"].endswith("name a data folder: ANOMARK_DATA")


def test_one_dataset_may_have_parameters_of_its_own(tmp_path: Path) -> None:
    def planned(params: dict[str, Any]) -> Plan:
        merged = config.merge(DEFAULT, {"datasets": ["textures-brick", "textures-grass"], "dataset_params": params})
        return Plan(config.validate(merged, "mine.yaml"))

    plan = planned({"textures": {"seed": 1}, "textures-grass": {"seed": 2}})
    assert {name: data.params["seed"] for name, data in plan.data.items()} == {"textures-brick": 1, "textures-grass": 2}
    with pytest.raises(AnomarkError, match="no family or dataset 'textures-gras'; did you mean 'textures-grass'"):
        planned({"textures-gras": {"seed": 2}})
    with pytest.raises(AnomarkError, match="textures: seed is 'x', expected one like 0"):
        planned({"textures": {"seed": "x"}})


def test_overlays_merge_as_snakemake_does() -> None:
    from snakemake.utils import update_config

    base, overlay = yaml.safe_load("{a: {x: 1, y: 2}, b: [1], c: 3}"), yaml.safe_load("{a: {y: 5}, b: [2, 3], d: 4}")
    merged = config.merge(base, overlay)
    update_config(base, overlay)
    assert merged == base


def test_a_method_that_is_deterministic_on_some_modalities_runs_once_on_those() -> None:
    datasets = ["textures-brick", "series"]
    suite = config.load().model_copy(update={"datasets": datasets, "only": ["wavediff_latent", "knn"], "seeds": [3, 4]})
    cells = {(cell.dataset, cell.method, cell.seed) for cell in Plan(suite).cells}
    knn = {(dataset, "knn", 3) for dataset in datasets}
    latent = {
        ("textures-brick", "wavediff_latent", 3),
        ("series", "wavediff_latent", 3),
        ("series", "wavediff_latent", 4),
    }
    assert cells == knn | latent
