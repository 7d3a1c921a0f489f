"""What is stored is sealed: whatever happens to its bytes is found before they are used, and is made again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from anomark import seals
from anomark.records import Cell, CellInfo, Data, Device, FitRecord, Meta
from anomark.seals import Damaged
from anomark.stages import prepare
from anomark.stages.heal import Healer, load_jobs, set_damaged_aside
from anomark.suite import config
from anomark.suite.keys import Fingerprints
from anomark.suite.plan import Plan


def flip(path: Path) -> None:
    """Change one bit of a file, and leave its size and its date as they were."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path) -> None:
    """Drop the last line of a text, or the last byte."""
    content = path.read_bytes()
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]) or content[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


HURT: list[Callable[[Path], None]] = [flip, cut, empty, Path.unlink]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"one")
    (folder / "b.bin").write_bytes(bytes(range(256)))
    seals.seal(folder)
    return folder


@pytest.mark.parametrize("hurt", HURT)
@pytest.mark.parametrize("name", ["a.txt", "b.bin", "SHA256SUMS"])
def test_every_damage_of_a_folder_is_found(folder: Path, name: str, hurt: Callable[[Path], None]) -> None:
    seals.verify(folder)
    hurt(folder / name)
    with pytest.raises(Damaged) as found:
        seals.verify(folder)
    assert found.value.path == folder / name


@pytest.mark.parametrize("hurt", HURT)
@pytest.mark.parametrize("name", ["b.bin", "b.bin.sha256"])
def test_every_damage_of_a_single_file_is_found(folder: Path, name: str, hurt: Callable[[Path], None]) -> None:
    (folder / seals.SUMS).unlink()
    seals.seal(folder / "b.bin")
    assert seals.read(folder / "b.bin") == bytes(range(256))
    hurt(folder / name)
    for read in (seals.read, seals.verify):
        with pytest.raises(Damaged):
            read(folder / "b.bin")


def test_a_seal_is_a_list_that_coreutils_check(folder: Path) -> None:
    check = ["sha256sum", "--check", "--strict", "--quiet", seals.SUMS]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    flip(folder / "b.bin")
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1


def test_a_folder_is_published_whole_in_the_place_of_what_lay_there(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "x/place"
    place.mkdir(parents=True)
    (place / "old.txt").write_text("left from before")
    seals.publish(folder, place)
    assert {path.name for path in place.iterdir()} == {"a.txt", "b.bin", seals.SUMS} and not folder.exists()
    assert [path.name for path in place.parent.iterdir()] == ["place"]


def test_what_was_read_is_read_again_once_its_bytes_may_differ(folder: Path, tmp_path: Path) -> None:
    looks: list[int] = []
    prints = Fingerprints(tmp_path / "prints.json")
    for _ in range(2):
        prints.once(folder, lambda: looks.append(1))
    prints.save()
    Fingerprints(tmp_path / "prints.json").once(folder, lambda: looks.append(1))
    assert len(looks) == 1
    flip(folder / "b.bin")  # its date is as before
    with pytest.raises(Damaged):
        prints.once(folder, lambda: seals.verify(folder))


def test_a_damaged_cache_of_fingerprints_gives_no_wrong_key(tmp_path: Path) -> None:
    raw, cache = tmp_path / "raw.csv", tmp_path / "prints.json"
    raw.write_text("1,2\n")
    prints = Fingerprints(cache)
    right = prints.of(tmp_path, [raw])
    prints.save()
    text = cache.read_bytes()
    for place in range(len(text)):
        cache.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        assert Fingerprints(cache).of(tmp_path, [raw]) == right
    Fingerprints(cache).save()
    assert cache.read_bytes() != text[:-1] + bytes([text[-1] ^ 1]), "a damaged cache is written anew"


# ---- a dataset and its cells --------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of one small dataset, which is prepared, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANOMARK_CELLS", raising=False)
    suite = config.load().model_copy(update={"datasets": ["beats"], "only": ["nearest_train"], "seeds": [0]})
    plan = Plan(suite)
    prepare.write(plan.data["beats"])
    plan.write()
    return plan


@pytest.mark.parametrize("hurt", HURT)
@pytest.mark.parametrize("name", ["train.npy", "meta.json", "SHA256SUMS", "labels", "labels.sha256"])
def test_a_damaged_dataset_is_made_again_by_whoever_reads_it(
    plan: Plan, name: str, hurt: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    data = plan.data["beats"]
    path = Path(data.folder, name) if "labels" not in name else Path(data.labels + name.removeprefix("labels"))
    right = path.read_bytes()
    hurt(path)

    def work() -> Meta:
        seals.verify(Path(data.folder))
        seals.read(Path(data.labels))
        return data.meta()

    assert Healer(plan.jobs(), Path(plan.folder)).run(work).dataset == "beats"
    assert path.read_bytes() == right
    assert capsys.readouterr().err.count(str(path)) == 1 or name.startswith("labels")


def test_a_run_moves_aside_what_is_damaged_and_nothing_else(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_damaged_aside(plan) == [] and not capsys.readouterr().err
    data = plan.data["beats"]
    flip(Path(data.labels))
    assert set_damaged_aside(plan) == [data.labels]
    assert not Path(data.labels).exists() and Path(data.folder, "train.npy").exists()
    assert f"{data.labels}: its sha256 is" in capsys.readouterr().err
    assert len([*Path("results", seals.ASIDE).glob(f"*{Path(data.labels).name}*")]) == 2, "the file and its seal"
    assert set_damaged_aside(plan) == []


@pytest.mark.parametrize("name", ["plan.json", "suite.json"])
def test_a_damaged_description_of_the_suite_is_written_again(plan: Plan, name: str) -> None:
    path = Path(plan.folder) / name
    right = path.read_bytes()
    flip(path)
    assert set_damaged_aside(plan) == [] and path.read_bytes() == right


def test_a_job_with_a_damaged_plan_writes_it_again(plan: Plan) -> None:
    right = load_jobs(path := Path(plan.folder) / "plan.json")
    empty(path)
    assert load_jobs(path) == right == load_jobs(path)


def test_results_of_another_cell_or_dataset_are_refused_by_name(plan: Plan) -> None:
    (cell,) = plan.cells
    folder = Path(cell.folder)
    info = cell.only(CellInfo) | {"seed": 7}
    FitRecord(**info, status="done", device=Device(kind="cpu")).save(folder / "fit.json")
    seals.seal(folder)
    with pytest.raises(Damaged, match=r"belongs to .*seed 7.*expected .*seed 0"):
        cell.record()
    other = Cell(**dict(cell) | {"parts": cell.parts.model_copy(update={"data": "0" * 16})})
    with pytest.raises(Damaged, match=r"meta\.json: it belongs to"):
        other.meta()
    swapped = Data(**dict(plan.data["beats"]) | {"dataset": "digits-0"})
    with pytest.raises(Damaged, match="expected dataset digits-0"):
        swapped.meta()


def test_a_cell_of_a_version_without_seals_is_made_again(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    (cell,) = plan.cells
    folder = Path(cell.folder)
    FitRecord(**cell.only(CellInfo), status="done", device=Device(kind="cpu")).save(folder / "fit.json")
    assert set_damaged_aside(plan) == [f"{cell.folder}/{seals.SUMS}"]
    assert "older version" in capsys.readouterr().err and not folder.exists()
