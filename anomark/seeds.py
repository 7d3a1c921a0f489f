"""Where every random number of the benchmark begins."""

from __future__ import annotations

import hashlib
import json
import random
import sys

import numpy as np


def seed_of(**axes: str | int) -> int:
    """A 32-bit seed: sha256 over named axes, so that no two of them share a random stream.

    >>> seed_of(dataset="digits-0", repetition=0) == seed_of(repetition=0, dataset="digits-0")
    True
    """
    text = json.dumps(axes, sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def seed_everything(seed: int) -> None:
    """Seed every generator that a method might draw from without asking; torch only where it is loaded."""
    random.seed(seed)
    np.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
