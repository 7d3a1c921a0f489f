"""Whether a method that was given twice the training got better, worse, or neither."""

from __future__ import annotations

#: The least change of a mean AUROC that counts.
TOLERANCE = 0.01
#: What the last doubling of a training did.
PLATEAU, RISING, FALLING = "at its plateau", "still rising", "falling"


def last_doubling(half: float, full: float) -> str:
    """PLATEAU, RISING or FALLING, by a mean AUROC after half of the training and after all of it.

    The change is rounded to the three digits that are printed, so that a reader can check the verdict.
    """
    change = round(full, 3) - round(half, 3)
    if abs(round(change, 3)) < TOLERANCE:
        return PLATEAU
    return RISING if change > 0 else FALLING
