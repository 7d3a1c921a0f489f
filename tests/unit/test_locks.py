"""Two processes never make the same thing at once, and what a dead one left of it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anomark import files
from anomark.files import replacing
from anomark.runtime import locks

HOLDER = """
import sys, time
from pathlib import Path
from anomark.files import replacing
from anomark.runtime.locks import making

target = Path(sys.argv[1])
with making(target, "the thing") as work, replacing(target / "file.txt") as partial:
    partial.write_text("half")
    (work / "half").touch()
    print("made", flush=True)
    sys.stdin.readline()
    partial.write_text("whole")
"""

SECOND = """
import sys
from pathlib import Path
from anomark.runtime.locks import making

with making(Path(sys.argv[1]), "the thing again"):
    print(Path(sys.argv[1], "file.txt").read_text(), end="")
"""


def holder(target: Path) -> subprocess.Popen[str]:
    """A process that is at making `target`, until it is sent a line or killed."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(target)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None and process.stdout.readline() == "made\n"
    return process


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def test_the_second_waits_for_the_first_and_finds_its_work(tmp_path: Path) -> None:
    first = holder(target := tmp_path / "thing")
    pipe = subprocess.PIPE
    second = subprocess.Popen([sys.executable, "-c", SECOND, str(target)], stdout=pipe, stderr=pipe, text=True)
    assert second.stderr is not None and f"waiting for the thing (process {first.pid} on" in second.stderr.readline()
    assert second.poll() is None and not (target / "file.txt").exists()
    first.communicate("go on\n", timeout=60)
    assert second.communicate(timeout=60) == ("whole", "")
    assert not hidden(tmp_path)


def test_what_a_killed_process_left_is_swept_and_what_a_live_one_has_is_not(tmp_path: Path) -> None:
    live, dead = holder(tmp_path / "live"), holder(tmp_path / "dead")
    os.kill(dead.pid, signal.SIGKILL)
    dead.wait()
    (tmp_path / "live" / ".0-ab.checkpoints").mkdir()
    assert len(hidden(tmp_path)) == 7
    assert locks.sweep(tmp_path) == 2, "the partial file, and the work folder with its lock"
    assert {path.parent.name for path in tmp_path.rglob(".*") if path.is_file()} == {"live", tmp_path.name}
    assert not [name for name in hidden(tmp_path) if "dead" in name]
    live.communicate("go on\n", timeout=30)
    assert (tmp_path / "live/file.txt").read_text() == "whole"
    assert hidden(tmp_path) == [".0-ab.checkpoints"]


def test_a_file_system_without_locks_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    for name in ("one", "two"):
        with locks.making(tmp_path / name, "the thing") as work, replacing(tmp_path / name) as partial:
            partial.write_text("whole")
            (work / "file").touch()
    assert (tmp_path / "two").read_text() == "whole"
    assert capsys.readouterr().err.count("knows no locks") == 1
    (tmp_path / ".three.1-0.tmp").touch()
    assert locks.sweep(tmp_path) == 0, "nobody can tell whether its process lives"
