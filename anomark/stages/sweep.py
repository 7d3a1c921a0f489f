"""Between score and evaluate: one stored diffusion model, scored again at other settings of its sampler.

One process a model, and no label. Only T', the number K of network calls and the start change; E_recon and E_feat of
every sample are kept apart, so that evaluate can weigh them by any lambda.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anomark.contracts import AnomarkError, Array
from anomark.files import replacing
from anomark.stages import fit
from anomark.stages.cell import claimed_device

#: Network calls K, at the model's own T', which is the most there can be.
CALLS = (1, 2, 5, 10, 25, 50, 250)
#: T' as a share of T, at the model's own K.
STARTS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def settings(params: dict[str, Any]) -> list[dict[str, Any]]:
    """What is tried, the model's own setting first: each K, each T', and a start from pure noise at T."""
    own = {"start": params["start"], "calls": params["calls"], "from_noise": params.get("from_noise", False)}
    starts = [round(share * params["T"]) for share in STARTS]
    tried = [
        own,
        *(own | {"calls": min(calls, own["start"])} for calls in CALLS),
        *(own | {"start": start} for start in starts if start >= own["calls"]),
        own | {"start": params["T"], "from_noise": True},
    ]
    return [setting for i, setting in enumerate(tried) if setting not in tried[:i]]


def chosen_rows(meta: dict[str, Any], samples: int) -> Array:
    """At most `samples` test rows: evenly spaced over time in a series, over the seeded permutation elsewhere."""
    order = np.arange(meta["n_test"]) if meta["test_starts"] is None else np.argsort(meta["test_starts"])
    rows: Array = order[np.unique(np.linspace(0, len(order) - 1, samples).round().astype(int))]
    return rows


def sweep(method: Any, X: Any) -> Iterator[tuple[dict[str, Any], Array]]:
    """Score X at every setting.

    Yields:
        (setting, E_recon and E_feat of X (N, terms), in the deviations that the model learnt at its own setting).
    """
    method.network.eval()
    fitted = method.params
    for setting in settings(fitted):
        method.params = fitted | setting
        errors, _ = method.score.errors(X, method.reconstruct)
        yield setting, (errors / method.score.scale[0]).cpu().numpy()
    method.params = fitted


def write_sweep(job: dict[str, Any], cell: dict[str, Any]) -> None:
    """Sweep the stored model of one cell and write the job's npz.

    rows (N,), weight (terms,), one value a setting of start, calls and from_noise, and errors (settings, N, terms).
    Of a cell without a model it holds nothing but `no_model`, and of a sweep that failed nothing but `failed`: why.
    """
    record = json.loads((Path(cell["folder"]) / "fit.json").read_text())
    arrays: dict[str, Any]
    if record["status"] != "done":
        arrays = {"no_model": f"{record['status']}: {record['reason']}"}
    else:
        try:
            with claimed_device(cell["device"]) as device:
                os.environ.update(device["environment"])  # before torch is loaded, which looks for cards once
                arrays = _swept(cell | {"device": device["name"]}, record["model"]["file"], job["samples"])
        except Exception as error:  # an outcome, as a cell's is
            traceback.print_exc()
            arrays = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    with replacing(Path(job["path"])) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)


def _swept(cell: dict[str, Any], model: str, samples: int) -> dict[str, Any]:
    from anomark.seeds import seed_of
    from anomark.suite.registry import load_method

    cls = load_method(cell["base"])
    torch = sys.modules["torch"]
    torch.set_num_threads(cell["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    data = Path(cell["data"])
    meta = fit.read_meta(data)
    features = {"features": cell["features"]} if cell["features"] else {}
    method = fit.load_model(
        cls,
        fit.spec_of(meta, cell["resolution"]),
        seed_of(dataset=cell["dataset"], method=cell["method"], repetition=cell["seed"]),
        cell["device"],
        cell["params"] | features,
        Path(cell["folder"]) / model,
    )
    rows = chosen_rows(meta, samples)
    tried, errors = zip(*sweep(method, fit.test_data(data, meta, cell["resolution"])[rows]), strict=True)
    return {
        "rows": rows,
        "weight": method.score.weight.cpu().numpy(),
        "errors": np.stack(errors),
        **{name: np.array([setting[name] for setting in tried]) for name in tried[0]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("path", help="the file to write, one of the plan's sweeps")
    args = parser.parse_args()
    plan = json.loads(args.plan.read_text())
    job = plan["sweeps"][args.path]
    try:
        write_sweep(job, plan["cells"][job["cell"]])
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark sweep: {error}") from None


if __name__ == "__main__":
    main()
