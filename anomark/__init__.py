"""A benchmark suite for anomaly detection. `anomark.load` is its interface for programs that use a fitted model.

Importing anomark makes the drop-in files importable too; see `anomark.suite.dropins`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomark.suite import dropins as _dropins

if TYPE_CHECKING:
    import os

    from anomark.use.model import Model

__all__ = ["load"]

_dropins.install()


def load(model: str | os.PathLike[str], results: str | os.PathLike[str] = "results") -> Model:
    """A fitted model, to score new samples: `anomark.load("method@dataset").score(["new/1.png"])`.

    Args:
        model: `<method>@<dataset>`, which is the stored model of the lowest seed; the folder of a cell; or a folder
            that `anomark export` wrote.
        results: the folder of the results, in which a name is looked up.

    Returns:
        What `anomark.use.model.Model` describes. Its method `score` takes arrays or files.

    Raises:
        anomark.contracts.AnomarkError: there is no such model, or its method is not the installed one.
    """
    from anomark.use.model import load as _load

    return _load(model, results)
