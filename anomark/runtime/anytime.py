"""The test scores that a trained method would have after less training, from the one fit that it makes.

Where a fit keeps its states as `anomark.detectors.training.Milestones` says, a second one with one of these steps as
its budget takes no step of its own, and whatever a method does before and behind its loop is done for that budget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomark.contracts import Array, Diverged
from anomark.records import CellInfo, Meta, Milestone
from anomark.runtime import fit_score

if TYPE_CHECKING:
    from anomark.detectors.training import Milestones


class Course:
    """How a fit went: how far its first loop came, and what it took.

    Args:
        count: milestones to keep, the end of the fit among them; 0 keeps none.
        folder: where their states are kept.

    Attributes:
        milestones: of its first loop; None of a method that takes no gradient steps.
        seconds: (2,), by the clock and of the processor: those of a fit without interruption that keeps no state.
    """

    def __init__(self, count: int = 0, folder: Path | None = None) -> None:
        self.count, self.folder = count, folder if count else None
        self.milestones: Milestones | None = None
        self.seconds = np.zeros(2)

    @contextlib.contextmanager
    def watched(self, training: Any) -> Iterator[None]:
        """Watch the fit inside; `training` is the module `anomark.detectors.training`, which is loaded by then."""
        with training.milestones(self.folder, self.count) as self.milestones:
            begin = training.now()
            yield
            self.seconds = training.now() - begin + self.milestones.clock.correction

    @property
    def end(self) -> Milestone:
        """The last step of the loop, with the seconds of the whole fit."""
        clock, processor = (round(float(value), 3) for value in self.seconds)
        assert self.milestones
        return Milestone(steps=self.milestones.clock.steps, seconds=clock, core_seconds=processor)


def score_earlier(
    cls: type, cell: CellInfo, meta: Meta, data: Path, device: str, features: str | None, course: Course
) -> tuple[Array | None, tuple[Milestone, ...]]:
    """Score the test samples with each state that a fit has kept.

    Args:
        course: of that fit; for the others see `fit_score.fit_and_score`.

    Returns:
        Scores (M, N), float32, a row for each state that was kept and does not diverge, in rising order of its steps;
        None where there is none. Then M + 1 milestones, the last of them of the fit itself.
    """
    if not course.folder or not course.milestones or course.milestones.loop is None:
        return None, ()
    from anomark.detectors import training

    scores: list[Array] = []
    found: list[Milestone] = []
    for folder in sorted(course.folder.glob("*"), key=lambda path: int(path.name)):
        parts = cell.parts.model_copy(update={"params": cell.parts.params | {"steps": int(folder.name)}})
        shorter, again = cell.model_copy(update={"parts": parts}), Course()
        try:
            with training.checkpoints(folder):
                watched = again.watched(training)
                done = fit_score.fit_and_score(cls, shorter, meta, data, device, features, watched)
        except Diverged as error:  # an outcome of this budget, and not of the cell
            print(f"scored after {folder.name} steps: {error}")
            continue
        scores.append(done.scores)
        found.append(again.end)
    return np.stack(scores) if scores else None, (*found, course.end)
