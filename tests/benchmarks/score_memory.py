"""What `anomark score` takes for few and for many images: `python -m tests.benchmarks.score_memory [few] [many]`.

It fits one cheap model on embedded images, makes small PNG files in a temporary folder, and prints the peak memory of
scoring the first of them and all of them, each with and without pictures, and images a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

MODEL = ("digits-0", "vae")


def make_images(folder: Path, count: int, side: int = 64) -> None:
    """Write that many PNG files of grey noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8)).save(folder / f"{i:06d}.png")


def peak(arguments: Iterable[str], cwd: Path | None = None) -> tuple[float, float]:
    """MiB of memory that `anomark` with these arguments takes at its peak, and seconds."""
    command = [sys.executable, "-m", "anomark", *arguments]
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return usage.ru_maxrss / 1024, time.perf_counter() - begin


def main(few: int = 100, many: int = 10_000) -> None:
    dataset, method = MODEL
    subprocess.run([sys.executable, "-m", "anomark", "run", dataset, method], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        for count in (few, many):
            make_images(Path(scratch, f"new-{count}"), count)
        # The first use of the model makes its calibration.
        peak(["score", f"{method}@{dataset}", f"{scratch}/new-{few}", "--out", f"{scratch}/first"])
        for pictures in ("--no-pictures", "--pictures"):
            found = {}
            for count in (few, many):
                out = f"{scratch}/out-{count}{pictures}"
                found[count] = peak(["score", f"{method}@{dataset}", f"{scratch}/new-{count}", "--out", out, pictures])
                print(f"{pictures}: {count} images, peak {found[count][0]:.0f} MiB, {found[count][1]:.1f} s")
            speed = (many - few) / (found[many][1] - found[few][1])
            print(f"{pictures}: {found[many][0] / found[few][0] - 1:+.1%} memory, {speed:.0f} images a second")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
