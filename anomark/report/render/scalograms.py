"""Pictures of example signals with their continuous wavelet transforms."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pywt
from matplotlib.figure import Figure

from anomark.contracts import Array
from anomark.report.render.draw import BLUE, VERMILLION, bare
from anomark.report.render.stored import MAX_COLUMNS, case, chosen, decimate, marks, runs
from anomark.report.results import Results

#: Of a scalogram: wavelet, scales, columns, and windows of a long series that it shows.
WAVELET, SCALES, MAX_TIMES, WINDOWS = "cmor1.5-1.0", 48, 600, 4


def scalograms(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """A normal and an anomalous stretch of signal above the magnitude of their continuous wavelet transforms."""
    if "signal" in stored:
        length = WINDOWS * (results.summaries[dataset].window or 1)
        parts = stretches(marks(stored), length)
        if "labels" not in stored:
            called = {"normal": "not conspicuous", "anomalous": "conspicuous"}
            parts = {called[name]: part for name, part in parts.items()}
        signals = {name: stored["signal"][part, 0] for name, part in parts.items()}
        what = (
            f"{WINDOWS} windows of the test series: the first without a label, and round its longest labelled anomaly."
        )
        if "labels" not in stored:
            what = f"{WINDOWS} windows of the test series: one that no method finds conspicuous, and round the longest "
            what += "stretch that methods score highest."
    else:
        places: dict[str, int] = {}
        for index in range(len(stored["case"])):  # the median of a class where it has one
            if "label" not in stored:
                name = "first" if index == 0 else "rest"
            else:
                name = "anomalous" if stored["label"][index] else "normal"
            if name not in places or stored["case"][index] in ("median", "in the middle"):
                places[name] = index
        signals = {
            case(stored, index): stored["samples"][index, 0] for _, index in sorted(places.items(), reverse=True)
        }
        what = chosen(results, stored)
    maps = {name: scalogram(signal) for name, signal in signals.items()}
    top = max(float(np.percentile(magnitude, 99.5)) for _, magnitude in maps.values()) or 1.0
    figure, panels = plt.subplots(
        2, len(signals), figsize=(9.0, 3.4), sharex="col", sharey="row", height_ratios=[1.0, 2.2], squeeze=False
    )
    for (name, signal), (line, image) in zip(signals.items(), panels.T, strict=True):
        periods, magnitude = maps[name]
        time, envelope = decimate(signal, MAX_COLUMNS // 2)
        usual = name.startswith(("normal", "not", "in the middle"))
        line.plot(time, envelope, color=BLUE if usual else VERMILLION, linewidth=0.8)
        bare(line, name)
        inferno = plt.get_cmap("inferno")(np.clip(magnitude / top, 0, 1))[..., :3]
        image.imshow((inferno * 255).round().astype(np.uint8), aspect="auto", extent=(0, len(signal), SCALES, 0))
        ticks = [2.0**power for power in range(1, 16) if periods[0] <= 2.0**power <= periods[-1]]
        ticks = ticks[:: max(1, len(ticks) // 5)]
        image.set_yticks(np.interp(np.log(ticks), np.log(periods), np.arange(SCALES) + 0.5), [f"{t:g}" for t in ticks])
        image.set_xlabel("step")
    panels[1, 0].set_ylabel("period, steps")
    caption = f"Scalograms: magnitude of the continuous wavelet transform ({WAVELET}), one colour scale. {what}"
    return figure, caption, f"Signal and scalogram of parts of {results.label(dataset)}: {'; '.join(signals)}."


def scalogram(signal: Array) -> tuple[Array, Array]:
    """Periods in steps (SCALES,), shortest first, and |CWT| (SCALES, at most MAX_TIMES), the largest of every column.

    The signal is continued by reflection: an end is no jump.
    """
    length = len(signal)
    periods = np.geomspace(2.0, max(4.0, length / 2), SCALES)
    padded = np.concatenate([signal[::-1], signal, signal[::-1]]).astype(np.float64)
    padded -= padded.mean()
    transform, _ = pywt.cwt(padded, periods * pywt.central_frequency(WAVELET), WAVELET, method="fft")
    magnitude = np.abs(transform[:, length : 2 * length])
    edges = np.linspace(0, length, min(length, MAX_TIMES), endpoint=False).astype(int)
    return periods, np.maximum.reduceat(magnitude, edges, axis=1)


def stretches(labels: Array, length: int) -> dict[str, slice]:
    """A stretch without labels and one round the longest labelled run, of the same length where the series allows."""
    length = min(length, len(labels))
    quiet = runs(labels == 0)
    start, stop = next((run for run in quiet if run[1] - run[0] >= length), max(quiet, key=lambda r: r[1] - r[0]))
    found = {"normal": slice(start, min(stop, start + length))}
    if anomalies := runs(labels):
        first, last = max(anomalies, key=lambda run: run[1] - run[0])
        begin = int(np.clip((first + last - length) // 2, 0, len(labels) - length))
        found["anomalous"] = slice(begin, begin + length)
    return found
