"""What a method shares whose scores and maps come out of one pass over the samples."""

from __future__ import annotations

from typing import Any

from anomark.contracts import Array


class OnePassDetector:
    """A method that gives scores and maps together, by `detect`."""

    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps as `anomark.contracts.Detector` describes them, both float32."""
        raise NotImplementedError

    def decision_function(self, X: Any) -> Array:
        return self.detect(X)[0]

    def localize(self, X: Any) -> Array:
        return self.detect(X)[1]
