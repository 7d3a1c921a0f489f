"""Pictures of what a model says: an image beside its heat map, and a series above its scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anomark.contracts import Array

#: Width or height, in pixels, that a small image is enlarged to, and that of the text below.
LEAST, TEXT = 240, 14
GAP, MARGIN = 8, 4
#: Colours of a heat map from its lowest visible value to its highest, and how much of the image they hide at most.
COLD, HOT, OPAQUE = (255, 221, 51), (200, 0, 0), 0.8
#: Channels of a series that are drawn, and points that a line has.
CHANNELS, POINTS = 4, 1600


def heat_map(image: Image.Image, values: Array, levels: Array | None, text: str) -> Image.Image:
    """The image, and beside it the same one under its anomaly map, in the image's proportions.

    Args:
        values: the map (h, w), of any size.
        levels: (2,) values of held-out normal maps. Up to the first one nothing is shown, and colours end as far above
            the second one as that is above the first. None sets both by the map itself.
        text: a line below.
    """
    scale = max(1, -(-LEAST // max(image.size)))
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    low, high = levels if levels is not None else np.quantile(values, [0.5, 1.0])
    enlarged = np.asarray(Image.fromarray(values.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR))
    heat = np.clip((enlarged - low) / max(2.0 * (high - low), 1e-12), 0, 1)[..., None]
    colour = np.array(COLD) + heat * (np.array(HOT) - np.array(COLD))
    opacity = OPAQUE * np.minimum(1, 4 * heat)
    covered = np.asarray(image, np.float32) * (1 - opacity) + colour * opacity
    sheet = Image.new("RGB", (2 * image.width + GAP, image.height + TEXT + 3 * MARGIN), "white")
    sheet.paste(image, (0, 0))
    sheet.paste(Image.fromarray(covered.round().astype(np.uint8)), (image.width + GAP, 0))
    ImageDraw.Draw(sheet).text((MARGIN, image.height + MARGIN), text, "black", ImageFont.load_default(TEXT))
    return sheet


def series_plot(
    path: Path,
    values: Array,
    scores: Array,
    threshold: float | None,
    times: tuple[Array, Array] | None,
    names: tuple[str, ...],
    title: str,
) -> None:
    """Write a picture of a series above its scores; what is called anomalous is a band through both.

    Args:
        values: (T, C); the first channels are drawn.
        scores: (T,).
        threshold: from which on a step is called anomalous; drawn as a dashed line.
        times: some steps and the time of each, or None where steps are numbered.
        names: of the channels, as many as are known.
    """
    import matplotlib.pyplot as plt

    from anomark.report.render.draw import BLUE, DASHED, INK, ORANGE, STYLE
    from anomark.report.render.stored import decimate, runs

    def place(steps: Array) -> Array:
        if times is None:
            return np.asarray(steps)
        known, when = times
        return np.asarray(np.interp(steps, known, when.astype(np.float64)).astype(when.dtype))

    count = min(values.shape[1], CHANNELS)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            count + 1, 1, sharex=True, figsize=(9.0, 1.1 * count + 2.0), height_ratios=[1.0] * count + [1.2]
        )
        for channel, axes in enumerate(panels):
            line = scores if channel == count else values[:, channel]
            steps, envelope = decimate(np.asarray(line), POINTS)
            axes.plot(place(steps), envelope, color=BLUE if channel == count else INK, linewidth=0.8)
            label = "score" if channel == count else names[channel] if names else f"channel {channel + 1}"
            axes.set_ylabel(label[:24], fontsize=8)
            axes.margins(x=0.005)
        if threshold is not None:
            panels[-1].axhline(threshold, color=INK, linewidth=0.8, linestyle=DASHED)
            least = len(scores) / POINTS
            for start, stop in runs((scores >= threshold).astype(np.uint8)):
                for axes in panels:
                    edges = place(np.array([start, max(stop, start + least)]))
                    axes.axvspan(edges[0], edges[1], color=ORANGE, alpha=0.28, linewidth=0)
        panels[0].set_title(title)
        if times is None:
            panels[-1].set_xlabel("step")
        figure.savefig(path, dpi=120, facecolor="white", metadata={"Software": None})
        plt.close(figure)
