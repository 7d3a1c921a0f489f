"""Stage 1 for methods that need the perceptual network f: its weights are trained, drawn, copied or fetched."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.detectors.weights import write_weights
from anomark.suite.backbones import find_weights
from anomark.suite_records import Jobs


def write_features(kind: str, raw: str | None, out: Path) -> None:
    """Write the weights that a suite's `features` names to `out`, whole or not at all.

    Args:
        kind: the name.
        raw: file in the data folder to copy them from, or None.

    Raises:
        AnomarkError: the weights can't be fetched, or are not what their name says.
    """
    weights = find_weights(kind)
    write_weights(weights.path.stem, weights.source, Path(raw) if raw else None, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        features = Jobs.load(args.plan).features
        assert features is not None, "this job is part of no plan without features"
        write_features(features.kind, features.raw, args.out)
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark features: {error}") from None


if __name__ == "__main__":
    main()
