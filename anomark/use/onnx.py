"""A method whose score is one pass forward through its network, as an ONNX file.

These are the methods whose class is a `FeedForward`: autoencoders of every kind, and whatever else says its scores and
maps by operations of torch alone. The file takes prepared samples (N, *shape), float32, and gives scores (N,) and maps.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from anomark.contracts import AnomarkError, Spec

NEEDED = ("onnx", "onnxruntime", "onnxscript")
#: Samples that the file is checked with, and the share of a score that may differ by rounding.
PROBES, TOLERANCE = 7, 1e-4


def write(method: Any, spec: Spec, path: Path, name: str) -> float:
    """Write the file, and compare its scores and maps with the method's on random samples.

    Args:
        spec: of the samples that the method takes.
        name: of the model, for messages.

    Returns:
        The largest difference between two scores, as a share of the score.

    Raises:
        AnomarkError: the method is of another kind, a library is missing, or scores differ.
    """
    from anomark.detectors.trained import FeedForward

    if not isinstance(method, FeedForward):
        raise AnomarkError(
            f"{name}: its score is more than one pass forward through a network, so it has no ONNX file; export it "
            "without --onnx"
        )
    if missing := [module for module in NEEDED if importlib.util.find_spec(module) is None]:
        raise AnomarkError(f"--onnx needs {', '.join(missing)}, not installed here; run `pip install anomark[onnx]`")
    import torch
    from torch import Tensor, nn

    class Scoring(nn.Module):
        def __init__(self, scored: Any, network: nn.Module) -> None:
            super().__init__()
            self.scored, self.network = scored, network

        def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
            scores, maps = self.scored(samples)
            return scores, maps

    low, high = spec.value_range or (-3.0, 3.0)
    probes = np.random.default_rng(0).uniform(low, high, (PROBES, *spec.shape)).astype(np.float32)
    module = Scoring(method.scored, method.network).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses libraries that nothing here needs
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.from_numpy(probes[:2]).to(method.device),),
            str(path),
            input_names=["samples"],
            output_names=["scores", "maps"],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            external_data=False,
            verbose=False,
            dynamo=True,
        )
    import onnxruntime

    found = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"samples": probes})
    gaps = []
    for exported, own in zip(found, method.detect(probes), strict=True):
        gaps.append(float(np.abs(exported - own).max() / np.abs(own).max()))
    if not max(gaps) <= TOLERANCE:
        raise AnomarkError(
            f"{name}: the ONNX file's scores differ from the model's by {max(gaps):.2g} of their size; export it "
            "without --onnx"
        )
    return gaps[0]
