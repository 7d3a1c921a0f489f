"""Pictures of example images with the anomaly maps that methods made of them."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from anomark.contracts import Array
from anomark.report.render.stored import case, chosen, having
from anomark.report.results import Results
from anomark.report.shown import MAX_MAPS, shown
from anomark.report.tables import protocol

#: Characters of a file's name that there is room for above an image.
LONGEST_NAME = 18


def gallery(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """Input, mask and anomaly maps: a column a sample, a row a method; one colour scale a method."""
    samples = range(len(stored["case"]))
    methods = shown(results, dataset, having(stored, "map:"), MAX_MAPS)
    masks = stored["mask"].astype(bool) if "mask" in stored else None
    lines = ["input", *(["mask"] if masks is not None else []), *methods]
    figure, panels = plt.subplots(
        len(lines),
        len(samples),
        figsize=(1.2 * len(samples) + 1.0, 1.32 * len(lines)),
        squeeze=False,
        layout=ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0.0, hspace=0.0),
    )
    for line, row in zip(lines, panels, strict=True):
        label = results.methods[line].label if line in methods else line
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
        maps = stored[f"map:{line}"] if line in methods else None
        limits = np.percentile(maps, [2, 99.5]) if maps is not None else (0.0, 1.0)
        for index, axes in zip(samples, row, strict=True):
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if line == "input":
                title = case(stored, index)
                if "names" in stored and "label" not in stored:  # whoever has no labels looks at the file
                    title += f"\n{str(stored['names'][index]).rpartition('/')[2][-LONGEST_NAME:]}"
                axes.set_title(title, fontsize=8, loc="center")
                _show(axes, _as_image(stored["samples"][index]))
            elif line == "mask":
                assert masks is not None
                _show(axes, np.repeat(masks[index][..., None] * 0.92 + 0.04, 3, axis=-1))
            else:
                assert maps is not None
                scaled = np.clip((maps[index] - limits[0]) / max(float(limits[1] - limits[0]), 1e-12), 0, 1)
                _show(axes, plt.get_cmap("inferno")(scaled)[..., :3])
                if masks is not None and masks[index].any():
                    axes.contour(masks[index], levels=[0.5], colors="white", linewidths=0.7)
                if f"score:{line}" in stored:
                    axes.set_xlabel(f"{stored[f'score:{line}'][index]:.3g}", fontsize=7, labelpad=2)
    caption = f"{chosen(results, stored)} Anomaly maps of the first seed, one colour scale a method; the image's score "
    outlines = "white line: outline of the mask" if masks is not None else "no masks"
    caption += f"below each map; {outlines}. Reconstructions are not stored. {protocol(results, [dataset])}"
    alt = f"{len(samples)} test images of {results.label(dataset)} with the anomaly maps of "
    return figure, caption, f"{alt}{results.names(methods) or 'no method'}."


def _show(axes: Any, image: Array) -> None:
    axes.imshow((image * 255).round().astype(np.uint8), interpolation="none")


def _as_image(array: Array) -> Array:
    """(C, H, W) in [-1, 1] -> (H, W, 3) in [0, 1]; one channel is shown as grey, of more than three the first three."""
    channels = array[:3] if len(array) >= 3 else np.repeat(array[:1], 3, axis=0)
    return np.clip((np.moveaxis(channels, 0, -1) + 1) / 2, 0, 1)
