"""Between score and evaluate: one stored model is scored again at the settings that its method's `SWEEP` names.

Each model has a process of its own, which sees no label. The terms of a method's score are stored apart for every
sample, so that `evaluate` can weigh them anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from anomark.contracts import AnomarkError, Array
from anomark.files import replacing
from anomark.stages import fit
from anomark.stages.cell import claimed_device


def chosen_rows(meta: dict[str, Any], samples: int) -> Array:
    """At most `samples` test rows: evenly spaced over time in a series, over the seeded permutation elsewhere."""
    order = np.arange(meta["n_test"]) if meta["test_starts"] is None else np.argsort(meta["test_starts"])
    rows: Array = order[np.unique(np.linspace(0, len(order) - 1, samples).round().astype(int))]
    return rows


def write_sweep(job: dict[str, Any], cell: dict[str, Any]) -> None:
    """Sweep the stored model of one cell and write the job's npz.

    It holds rows (N,), weight (terms,), errors (settings, N, terms), and for each parameter that the method tries its
    value at every setting (settings,).
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
    from anomark.suite.registry import find_method, load_method

    cls, settings = load_method(cell["base"]), find_method(cell["method"]).sweep
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
    samples_ = fit.test_data(data, meta, cell["resolution"])[rows]
    tried, errors = zip(*method.sweep(samples_, settings), strict=True)
    return {
        "rows": rows,
        "weight": method.weight,
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
