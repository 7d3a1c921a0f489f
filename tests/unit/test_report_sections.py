"""A section of the report is one file: what each owes the reader, and that it comes and goes with its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from anomark.contracts import AnomarkError
from anomark.modality import load
from anomark.report.results import Results, load_results
from anomark.report.section import Drawing, Section, Text, build_sections
from anomark.report.table import Table
from anomark.stages.report import report
from tests.report_fixture import DATASETS, VARIANTS, section_file, write_evaluation


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load_results(*write_evaluation(tmp_path_factory.mktemp("suite"), [*DATASETS, *VARIANTS]))


@pytest.fixture(scope="module")
def sections(results: Results) -> list[Section]:
    return build_sections(results)


def test_sections_stand_in_the_order_of_their_files_under_ids_of_their_own(sections: list[Section]) -> None:
    ids = [section.id for section in sections]
    assert ids[0] == "verdict" and ids[-1] == "environment" and len(set(ids)) == len(ids)
    for kind in (Table, Drawing):
        names = [part.name for section in sections for part in section.parts if isinstance(part, kind)]
        assert len(set(names)) == len(names)


def test_every_section_has_a_lead_and_shows_pictures_before_tables(sections: list[Section]) -> None:
    for section in sections:
        assert section.lead.endswith("."), section.id
        kinds = [type(part) for part in section.parts if isinstance(part, Table | Drawing)]
        assert kinds == sorted(kinds, key=lambda kind: kind is Table), section.id


def test_the_first_section_has_one_picture_for_each_modality(results: Results, sections: list[Section]) -> None:
    drawings = [part for part in sections[0].parts if isinstance(part, Drawing)]
    assert [d.name for d in drawings] == [f"overview-{modality}" for modality in results.modalities]


def test_the_verdict_names_the_best_of_each_modality(results: Results, sections: list[Section]) -> None:
    for modality in results.modalities:
        scores = {m: s.mean for m, s in results.averages(modality).items() if m in results.rivals}
        best = max(scores, key=lambda m: scores[m])
        assert f"{results.methods[best].label} is best on {results.noun(modality)}" in sections[0].lead


def test_a_modality_brings_its_own_pictures_or_none(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        section = next(s for s in section_file("80_datasets").build(results) if s.id == "textures")
        return {part.name for part in section.parts if isinstance(part, Drawing)}

    images = load("image")
    plain = names()
    monkeypatch.setattr(images, "PICTURES", {})
    assert plain - names() == {"textures-gallery"} and "textures-auroc" in names()
    monkeypatch.setattr(images, "PICTURES", {"image": ("my_picture",)})
    with pytest.raises(AnomarkError, match="my_picture"):
        names()
    monkeypatch.setattr(images, "my_picture", lambda results, dataset, stored: None, raising=False)
    assert "textures-my-picture" in names()


def test_a_paragraph_is_escaped_and_may_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = Section("only", "Only", "", [Text("a < b", warning=True)])
    monkeypatch.setattr("anomark.stages.report.build_sections", lambda results: [section])
    suite, evaluation = write_evaluation(tmp_path, ["textures"])
    page = report(suite, evaluation, tmp_path / "out", tmp_path / "results").read_text()
    assert '<p class="warning">a &lt; b</p>' in page


def test_series_of_one_file_are_averaged_alike(results: Results) -> None:
    """Two datasets that are made members of one file."""
    pair = results.of_modality("series")[:2]
    moved = {name: results.summaries[name].model_copy(update={"base": "table-mine"}) for name in pair}
    known = replace(results, summaries=results.summaries | moved)
    (section,) = (s for s in build_sections(known) if s.id == "series-of-one-file")
    (table,) = section.parts
    assert isinstance(table, Table) and set(table.data["count"]) == {2}
    for row in table.data.to_dict("records"):
        means = [known.score(name, row["method"]).mean for name in pair]
        if None not in means:
            assert float(row["auroc"]) == pytest.approx(sum(mean or 0.0 for mean in means) / 2, abs=1e-6)
    assert not any(s.id == "series-of-one-file" for s in build_sections(results))
