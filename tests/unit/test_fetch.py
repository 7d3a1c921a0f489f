"""Downloads against a loopback server: one that dies, one that lies, and archives that must not be unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from anomark.cli.app import app
from anomark.cli.data import MANIFEST
from anomark.contracts import AnomarkError, DataError
from anomark.data import fetch
from anomark.suite import registry
from tests.loopback import Server


def noise(size: int) -> bytes:
    return hashlib.shake_256(b"noise").digest(size)


def left_behind(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def refusal(store: fetch.Store, file: fetch.RemoteFile, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        store.fetch(file, progress=False, **options)
    return str(error.value)


def test_a_file_is_fetched_once_and_verified(server: Server, tmp_path: Path) -> None:
    file = server.file("a/b.bin", noise(1000))
    store = fetch.Store(tmp_path)
    assert store.fetch(file, progress=False).endswith("as promised")
    assert (tmp_path / "a/b.bin").read_bytes() == noise(1000)
    assert fetch.Store(tmp_path).fetch(file) == "here" and len(server.requests) == 1
    assert fetch.Store(tmp_path).verify(file) == []
    (tmp_path / "a/b.bin").write_bytes(b"changed")
    assert "sha256 is" in fetch.Store(tmp_path).verify(file)[0]
    assert left_behind(tmp_path) == {"a/b.bin", fetch.RECEIPTS}


def test_a_server_that_dies_twenty_times_is_outlived(server: Server, tmp_path: Path) -> None:
    content = noise(1_000_000)
    file = server.file("big.bin", content)
    server.deaths = 20
    fetch.Store(tmp_path).fetch(file, progress=False)
    assert (tmp_path / "big.bin").read_bytes() == content
    assert len(server.requests) == 21
    offsets = [int(re.findall(r"\d+", wanted)[0]) for wanted in server.requests[1:] if wanted]
    assert len(offsets) == 20 and offsets == sorted(set(offsets)), "every connection goes on where the last stopped"
    assert left_behind(tmp_path) == {"big.bin", fetch.RECEIPTS}


def test_a_later_run_goes_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = server.file("big.bin", noise(100_000))
    server.deaths = 1
    monkeypatch.setattr(fetch, "TRIES", 0)
    assert "can't be fetched" in refusal(fetch.Store(tmp_path), file)
    assert not (tmp_path / "big.bin").exists()
    fetch.Store(tmp_path).fetch(file, progress=False)
    assert (tmp_path / "big.bin").read_bytes() == noise(100_000)
    assert server.requests == [None, "bytes=10000-"]


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    file = server.file("big.bin", noise(100_000))
    server.deaths, server.ranges = 2, False
    fetch.Store(tmp_path).fetch(file, progress=False)
    assert (tmp_path / "big.bin").read_bytes() == noise(100_000)


def test_another_version_is_not_mixed_with_the_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.file("data.bin", b"old" * 1000)
    server.deaths = 1
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "TRIES", 0)
        refusal(fetch.Store(tmp_path), server.file("data.bin", b"old" * 1000, sha256=fetch.UNVERIFIED))
    fetch.Store(tmp_path).fetch(server.file("data.bin", b"new" * 1000, sha256=fetch.UNVERIFIED), progress=False)
    assert (tmp_path / "data.bin").read_bytes() == b"new" * 1000


def test_a_server_that_gives_nothing_is_given_up(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", b"x")
    server.http.shutdown()
    server.http.server_close()
    assert "can't be fetched" in refusal(fetch.Store(tmp_path), file)
    assert left_behind(tmp_path) == set()


def test_a_file_that_is_not_there_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", b"x", url=server.url("b.bin"))
    assert "404" in refusal(fetch.Store(tmp_path), file)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "sha256", "reason"),
    [
        (b"other bytes", hashlib.sha256(b"right").hexdigest(), "wrong content"),
        (b"  <!DOCTYPE html><html>Fill in the form</html>", fetch.UNVERIFIED, "gave a web page instead of a.zip"),
        (b"", fetch.UNVERIFIED, "gave 0 bytes instead of a.zip"),
    ],
)
def test_wrong_content_is_refused_and_not_kept(
    server: Server, tmp_path: Path, content: bytes, sha256: str, reason: str
) -> None:
    message = refusal(fetch.Store(tmp_path), server.file("a.zip", content, sha256=sha256))
    assert reason in message and server.url("a.zip") in message
    assert left_behind(tmp_path) == set()


def test_a_mirror_stands_in(server: Server, tmp_path: Path) -> None:
    server.file("bad.bin", b"wrong")
    file = server.file("good.bin", b"right", url=server.url("bad.bin"), mirrors=[server.url("good.bin")])
    assert "as promised" in fetch.Store(tmp_path).fetch(file, progress=False)
    assert (tmp_path / "good.bin").read_bytes() == b"right"


def test_an_unverified_checksum_is_recorded_and_held_to(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", b"content", sha256=fetch.UNVERIFIED)
    sha = hashlib.sha256(b"content").hexdigest()
    assert fetch.Store(tmp_path).fetch(file, progress=False) == f"sha256 {sha}, recorded: nobody has verified it"
    (tmp_path / "a.bin").write_bytes(b"contant")
    assert sha in fetch.Store(tmp_path).verify(file)[0]
    (tmp_path / "a.bin").unlink()
    assert "missing" in fetch.Store(tmp_path).verify(file)[0]


def test_offline_says_where_the_file_is_to_be_had(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", b"content")
    assert f"not here, and offline; get it from {file.url}" in refusal(fetch.Store(tmp_path), file, offline=True)
    assert server.requests == []


def test_a_disk_that_is_full_is_one_sentence(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    file = server.file("a.bin", b"content")
    monkeypatch.setattr(fetch._Resuming, "_request", full)
    assert "a.bin: can't be stored (No space left on device)" in refusal(fetch.Store(tmp_path), file)
    assert left_behind(tmp_path) == set()


# ---- archives ---------------------------------------------------------------------------------------------------


def tar(members: dict[str, bytes], kind: str = "xz", change: Callable[[tarfile.TarInfo], None] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{kind}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change:
                change(info)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(members: dict[str, bytes], mode: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
            archive.writestr(info, content)
    return out.getvalue()


MEMBERS = {"data/train/a.npy": noise(300), "data/test/a.npy": noise(200)}


@pytest.mark.parametrize("content", [tar(MEMBERS), tar(MEMBERS, "gz"), zipped(MEMBERS)], ids=["xz", "gz", "zip"])
def test_archives_are_unpacked_where_loaders_look(server: Server, tmp_path: Path, content: bytes) -> None:
    file = server.file("data.archive", content, unpack="telemanom")
    fetch.Store(tmp_path).fetch(file, progress=False)
    assert left_behind(tmp_path) == {*(f"telemanom/{name}" for name in MEMBERS), fetch.RECEIPTS}
    for name, expected in MEMBERS.items():
        assert (tmp_path / "telemanom" / name).read_bytes() == expected
    assert fetch.Store(tmp_path).fetch(file) == "here" and fetch.Store(tmp_path).verify(file) == []
    (tmp_path / "telemanom/data/test/a.npy").write_bytes(b"")
    assert "data/test/a.npy: sha256 is" in fetch.Store(tmp_path).verify(file)[0]


def link(kind: bytes, to: str) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, to, 0

    return change


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tar({"fine": b"x", "../evil": b"x"}), "'../evil' is a link or leads out of the folder"),
        (tar({"/evil": b"x"}), "'/evil' is a link or leads out"),
        (tar({"a/../../evil": b"x"}), "leads out"),
        (tar({"evil": b""}, change=link(tarfile.SYMTYPE, "/etc/passwd")), "'evil' is a link"),
        (tar({"evil": b""}, change=link(tarfile.LNKTYPE, "fine")), "'evil' is a link"),
        (tar({"evil": b""}, change=link(tarfile.CHRTYPE, "")), "'evil' is a link"),
        (zipped({"fine": b"x", "../evil": b"x"}), "'../evil' is a link or leads out"),
        (zipped({"..\\evil": b"x"}), "leads out"),
        (zipped({"C:/evil": b"x"}), "leads out"),
        (zipped({"evil": b"/etc/passwd"}, stat.S_IFLNK | 0o777), "'evil' is a link"),
        (zipped({"bomb": bytes(10_000_000)}), "unpacks to over 100 times its size"),
        (tar({"bomb": bytes(10_000_000)}), "unpacks to over 100 times its size"),
        (tar(MEMBERS)[:-300], "archive"),
        (zipped(MEMBERS)[:-30], "not a readable archive"),
        (b"neither zip nor tar", "not a readable archive"),
        (tar({}), "an archive without files"),
    ],
)
def test_a_bad_archive_leaves_nothing_behind(server: Server, tmp_path: Path, content: bytes, reason: str) -> None:
    root = tmp_path / "data"
    message = refusal(fetch.Store(root), server.file("a.archive", content, unpack="."))
    assert reason in message and "a.archive" in message
    assert left_behind(tmp_path) == set()


# ---- the command ------------------------------------------------------------------------------------------------


def test_all_of_the_data_folder_is_fetched_byte_for_byte(server: Server, data_root: Path, tmp_path: Path) -> None:
    """Archives as they are, folders as the archives that their owners hand out; the server dies and dies."""
    everything = {p.relative_to(data_root).as_posix(): p for p in data_root.rglob("*") if p.is_file()}
    packed = [p.relative_to(data_root).as_posix() for p in (*data_root.glob("mvtec/*"), data_root / "urbansound8k")]
    described = []
    for folder in packed:
        inside = {name: p.read_bytes() for name, p in everything.items() if name.startswith(f"{folder}/")}
        described.append(server.file(folder.replace("/", "-") + ".tar.gz", tar(inside, "gz"), unpack="."))
    single = [name for name in everything if not name.startswith(tuple(f"{folder}/" for folder in packed))]
    described += [server.file(name, everything[name].read_bytes()) for name in single]
    server.deaths = 20
    source = {"families": ["nab"], "version": "1", "licence": "-", "allows": "tests", "form": False}
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(yaml.safe_dump({"all": source | {"files": [file.model_dump() for file in described]}}))
    options = ["--root", str(tmp_path / "copy"), "--manifest", str(manifest)]

    done = CliRunner().invoke(app, ["data", "fetch", *options])
    assert done.exit_code == 0, done.output
    fetched = left_behind(tmp_path / "copy") - {fetch.RECEIPTS}
    assert fetched == set(everything)
    for name, path in everything.items():
        assert (tmp_path / "copy" / name).read_bytes() == path.read_bytes(), name
    assert CliRunner().invoke(app, ["data", "verify", *options]).exit_code == 0

    (tmp_path / "copy/nab.zip").write_bytes(b"")
    broken = CliRunner().invoke(app, ["data", "verify", *options])
    assert broken.exit_code == 1 and "nab.zip: sha256 is" in broken.output


def test_a_failed_fetch_goes_on_with_the_rest_and_exits_1(server: Server, tmp_path: Path) -> None:
    files = [server.file("bad", b"x", sha256="0" * 64), server.file("good", b"y")]
    source = {"families": ["nab"], "version": "1", "licence": "-", "allows": "tests", "form": False}
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(yaml.safe_dump({"all": source | {"files": [file.model_dump() for file in files]}}))
    done = CliRunner().invoke(app, ["data", "fetch", "nab", "--root", str(tmp_path), "--manifest", str(manifest)])
    assert done.exit_code == 1 and "1 files could not be fetched" in done.output
    assert (tmp_path / "good").read_bytes() == b"y"


def test_one_category_is_fetched_and_a_folder_put_there_by_hand_is_left_alone(server: Server, tmp_path: Path) -> None:
    described = []
    for category in ("bottle", "cable", "tile"):
        content = tar({f"{category}/train/good/000.png": b"image", f"{category}/license.txt": b"terms"}, "xz")
        change = {"unpack": "mvtec", "brings": [f"mvtec/{category}", f"mvtec_anomaly_detection/{category}"]}
        described.append(server.file(f"mvtec/{category}.tar.xz", content, **change))
    source = {"families": ["mvtec"], "version": "1", "licence": "-", "allows": "tests", "form": False}
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(yaml.safe_dump({"mvtec": source | {"files": [file.model_dump() for file in described]}}))
    root = tmp_path / "data"
    (root / "mvtec_anomaly_detection/cable/train").mkdir(parents=True)
    options = ["--root", str(root), "--manifest", str(manifest)]

    done = CliRunner().invoke(app, ["data", "fetch", "mvtec-bottle", *options])
    assert done.exit_code == 0, done.output
    images = {"mvtec/bottle/train/good/000.png", "mvtec/bottle/license.txt"}
    assert left_behind(root) == images | {fetch.RECEIPTS} and len(server.requests) == 1
    again = CliRunner().invoke(app, ["data", "fetch", "mvtec", *options])
    assert "mvtec/cable.tar.xz: here" in again.output and "mvtec/bottle.tar.xz: here" in again.output
    assert (root / "mvtec/tile").is_dir() and len(server.requests) == 2
    assert "2 downloads checked, 0 files differ" in CliRunner().invoke(app, ["data", "verify", *options]).output


def test_the_list_shows_every_family_with_state_size_and_licence(data_root: Path) -> None:
    done = CliRunner().invoke(app, ["data", "list", "--root", str(data_root)])
    assert done.exit_code == 0
    rows = {line.split()[0]: line for line in done.output.splitlines()[1:]}
    assert rows.keys() == registry.families().keys()
    assert "4 of 15 here" in rows["mvtec"] and "5.01 GB" in rows["mvtec"] and "CC BY-NC-SA 4.0" in rows["mvtec"]
    assert "27 of 27 here" in rows["msl"] and "0 of 54 here" in rows["smap"] and "embedded" in rows["digits"]


def test_fetch_names_what_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["data", "fetch", "mvtek", "--root", str(tmp_path)])
    assert done.exit_code == 1 and "did you mean 'mvtec'?" in done.output
    monkeypatch.delenv("ANOMARK_DATA", raising=False)
    assert "set ANOMARK_DATA or give --root" in CliRunner().invoke(app, ["data", "fetch"]).output


# ---- the manifest -----------------------------------------------------------------------------------------------


def test_the_manifest_covers_every_family_that_is_not_ones_own() -> None:
    sources = fetch.read_manifest(MANIFEST)
    named = [family for source in sources.values() for family in source.families]
    own = {family.id for family in registry.families().values() if family.licence == "yours"}
    assert sorted(named) == sorted({f.id for f in registry.families().values() if f.files} - own)
    paths = [file.path for source in sources.values() for file in source.files]
    assert len(paths) == len(set(paths))
    categories = {file.name: file for file in sources["mvtec"].files}
    assert categories.keys() == registry.families()["mvtec"].items.keys()
    for category, file in categories.items():
        assert file.url.endswith(f"/{category}.tar.xz") and file.unpack == "mvtec"
        assert file.brings == [f"mvtec/{category}", f"mvtec_anomaly_detection/{category}"]
    assert all(file.url.startswith("https://") for source in sources.values() for file in source.files)


def test_a_broken_manifest_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(json.dumps({"nab": {"families": ["nab"]}}))
    with pytest.raises(AnomarkError, match=r"manifest\.yaml: version: Field required"):
        fetch.read_manifest(path)
