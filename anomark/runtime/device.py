"""Which device a process may use. Snakemake counts GPUs but assigns none, so each card has a lock file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.records import Device

_RETRY = 0.5  # seconds between two looks for a free card


@contextlib.contextmanager
def claimed_device(kind: str) -> Iterator[Device]:
    """Wait for a device of the kind "cpu" or "cuda", and keep it from others meanwhile.

    Raises:
        AnomarkError: the kind is "cuda" and this machine has no card.
    """
    if kind == "cpu":
        yield Device(kind="cpu", processor=processor())
        return
    cards = _visible_cards()
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"anomark-gpu-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for card in cards:
            with (folder / f"{card}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield Device(kind="cuda", card=card, processor=processor())
                return
        time.sleep(_RETRY)


@cache
def processor() -> str:
    """The name of this machine's CPU, as far as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def device_environment(device: Device) -> dict[str, str]:
    """Variables that show a process its own device alone; they must be set before it loads torch."""
    return {"CUDA_VISIBLE_DEVICES": device.card or ""}


def _visible_cards() -> list[str]:
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise AnomarkError("the suite's device is cuda, but nvidia-smi shows no card; set device: cpu") from None
    return [str(i) for i in range(len(listing.splitlines()))]
