"""What a metric may know beside labels and scores."""

from __future__ import annotations

from dataclasses import dataclass

from anomark.contracts import Array

#: The level of a metric that compares anomaly maps with masks, whatever the level of the dataset's labels.
PIXEL = "pixel"


@dataclass(frozen=True)
class Context:
    """The third argument of a metric's `compute(labels, scores, context)`.

    Every field but the level is None where the method or the dataset has nothing of the kind. A metric that can't do
    without one names the field in its literal NEEDS, and is not run where the field is None.

    level
        What one label stands for: a level of some modality, such as "window", or "pixel". At the levels "point" and
        "pixel" the order of labels and scores means something: they are (T,) steps of a series, or (N, H, W) masks and
        maps. At all others they are (N,), in any order.
    window
        The length of a series' windows, in steps.
    held_out
        (M,) scores of held-out normals, made as the test scores are: higher = more anomalous.
    pointwise
        (T,) each step's own error, where the method gives one: the mean over the windows that cover the step.
    largest
        The score of each label, made of the method's anomaly maps alone: the mean of the largest 5% of a sample's map,
        merged as scores are.
    """

    level: str
    window: int | None = None
    held_out: Array | None = None
    pointwise: Array | None = None
    largest: Array | None = None
