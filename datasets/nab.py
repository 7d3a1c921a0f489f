"""NAB, the Numenta Anomaly Benchmark: 58 single time series. Steps inside the labelled windows are anomalous."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from anomark.contracts import Array, Columns, DataError, Prepared
from anomark.data.rawfiles import RawFiles
from anomark.data.series import prepare_series
from anomark.data.streamed import blocks, read_csv, stored
from anomark.data.training_set import count_of

NAME = "Numenta Anomaly Benchmark"
LABEL = "NAB"
MODALITY = "series"
LEVEL = "point"
LICENCE = "MIT"
SOURCE = "https://github.com/numenta/NAB"
CITATION = "Lavin, Ahmad: Evaluating Real-Time Anomaly Detection Algorithms, ICMLA 2015"
ITEMS = {
    "art_daily_no_noise": {"folder": "artificialNoAnomaly"},
    "art_daily_perfect_square_wave": {"folder": "artificialNoAnomaly"},
    "art_daily_small_noise": {"folder": "artificialNoAnomaly"},
    "art_flatline": {"folder": "artificialNoAnomaly"},
    "art_noisy": {"folder": "artificialNoAnomaly"},
    "art_daily_flatmiddle": {"folder": "artificialWithAnomaly"},
    "art_daily_jumpsdown": {"folder": "artificialWithAnomaly"},
    "art_daily_jumpsup": {"folder": "artificialWithAnomaly"},
    "art_daily_nojump": {"folder": "artificialWithAnomaly"},
    "art_increase_spike_density": {"folder": "artificialWithAnomaly"},
    "art_load_balancer_spikes": {"folder": "artificialWithAnomaly"},
    "ec2_cpu_utilization_24ae8d": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_53ea38": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_5f5533": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_77c1ca": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_825cc2": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_ac20cd": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_c6585a": {"folder": "realAWSCloudwatch"},
    "ec2_cpu_utilization_fe7f93": {"folder": "realAWSCloudwatch"},
    "ec2_disk_write_bytes_1ef3de": {"folder": "realAWSCloudwatch"},
    "ec2_disk_write_bytes_c0d644": {"folder": "realAWSCloudwatch"},
    "ec2_network_in_257a54": {"folder": "realAWSCloudwatch"},
    "ec2_network_in_5abac7": {"folder": "realAWSCloudwatch"},
    "elb_request_count_8c0756": {"folder": "realAWSCloudwatch"},
    "grok_asg_anomaly": {"folder": "realAWSCloudwatch"},
    "iio_us-east-1_i-a2eb1cd9_NetworkIn": {"folder": "realAWSCloudwatch"},
    "rds_cpu_utilization_cc0c53": {"folder": "realAWSCloudwatch"},
    "rds_cpu_utilization_e47b3b": {"folder": "realAWSCloudwatch"},
    "exchange-2_cpc_results": {"folder": "realAdExchange"},
    "exchange-2_cpm_results": {"folder": "realAdExchange"},
    "exchange-3_cpc_results": {"folder": "realAdExchange"},
    "exchange-3_cpm_results": {"folder": "realAdExchange"},
    "exchange-4_cpc_results": {"folder": "realAdExchange"},
    "exchange-4_cpm_results": {"folder": "realAdExchange"},
    "ambient_temperature_system_failure": {"folder": "realKnownCause"},
    "cpu_utilization_asg_misconfiguration": {"folder": "realKnownCause"},
    "ec2_request_latency_system_failure": {"folder": "realKnownCause"},
    # The paper's short name; the owner's file has the long one.
    "machine_temperature": {"folder": "realKnownCause", "item": "machine_temperature_system_failure"},
    "nyc_taxi": {"folder": "realKnownCause"},
    "rogue_agent_key_hold": {"folder": "realKnownCause"},
    "rogue_agent_key_updown": {"folder": "realKnownCause"},
    "TravelTime_387": {"folder": "realTraffic"},
    "TravelTime_451": {"folder": "realTraffic"},
    "occupancy_6005": {"folder": "realTraffic"},
    "occupancy_t4013": {"folder": "realTraffic"},
    "speed_6005": {"folder": "realTraffic"},
    "speed_7578": {"folder": "realTraffic"},
    "speed_t4013": {"folder": "realTraffic"},
    "Twitter_volume_AAPL": {"folder": "realTweets"},
    "Twitter_volume_AMZN": {"folder": "realTweets"},
    "Twitter_volume_CRM": {"folder": "realTweets"},
    "Twitter_volume_CVS": {"folder": "realTweets"},
    "Twitter_volume_FB": {"folder": "realTweets"},
    "Twitter_volume_GOOG": {"folder": "realTweets"},
    "Twitter_volume_IBM": {"folder": "realTweets"},
    "Twitter_volume_KO": {"folder": "realTweets"},
    "Twitter_volume_PFE": {"folder": "realTweets"},
    "Twitter_volume_UPS": {"folder": "realTweets"},
}
#: Other lengths of the training prefix. The test part, and the window, are those of the whole prefix.
VARIANTS = {
    "train-25": {"LABEL": "25% of training", "train_share": 0.25},
    "train-50": {"LABEL": "50% of training", "train_share": 0.5},
    "probation": {"LABEL": "NAB's probation", "probation": True},
}
DEFAULTS = {"stride_divisor": 8, "train_share": 1.0, "probation": False}
FILES = (
    ("nab.zip",),
    ("NAB-master.zip",),
    ("NAB-master/data/{folder}/{item}.csv", "NAB-master/labels/combined_windows.json"),
    ("NAB/data/{folder}/{item}.csv", "NAB/labels/combined_windows.json"),
)
DAY = 86_400  # seconds
#: NAB lets detectors learn from the first 15% of a stream, and from 750 rows at most (its `getProbationPeriod`).
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750
#: Clocks of a few streams step back once; a file with more of it than this share of its rows is in disorder.
BACKWARD_SHARE = 0.01


def prepare(raw: Path, *, item: str, folder: str, stride_divisor: int, train_share: float, probation: bool) -> Prepared:
    """One stream: the rows before the first labelled window train, the rest tests, in windows of one day.

    Rows are taken in the order of the file. Where the owner's clock steps back or repeats, the notes say so.

    Raises:
        DataError: a file is missing or broken, or the stream has no labelled window (one class).
    """
    files = RawFiles(raw, FILES, item=item, folder=folder)
    name = files.one(f"data/{folder}/{item}.csv")
    rows = stored(_read_stream(files, name))
    times, values = rows["time"], rows["value"]
    if len(rows) < 2:
        raise DataError(f"{name}: {len(rows)} rows, too few for a series")
    labels = _label(files, f"{folder}/{item}.csv", name, times)
    if not labels.any():
        raise DataError(f"{name}: undefined: one class; combined_windows.json labels no anomaly, leave the stream out")

    steps = stored(np.diff(block["time"]) / np.timedelta64(1, "s") for block in blocks(rows, overlap=1))
    backward, repeated = int((steps < 0).sum()), int((steps == 0).sum())
    if backward > BACKWARD_SHARE * len(rows):
        raise DataError(f"{name}: {backward} of {len(rows)} rows go back in time; delete the file and fetch it again")
    interval = float(np.median(steps, overwrite_input=True))
    if interval <= 0:
        raise DataError(f"{name}: the median sampling interval is {interval:g} s, expected more than 0")
    day = window = round(DAY / interval)
    first = int(np.argmax(labels))
    prefix = min(len(values) // 2, first)
    split = min(len(values) // 2, first - window)
    notes = ["split uses the first label"]
    if split < 4 * window:
        window = prefix // 8
        split = min(len(values) // 2, first - window)
        notes.append(f"window shrunk from {day} to {window} steps: fewer than 4 L rows before the first label")
    if window < 1:
        raise DataError(f"{name}: {prefix} rows before the first label, too few to train on; leave the stream out")
    for what, count in (("back in time", backward), ("with a repeated time", repeated)):
        if count:
            notes.append(f"rows are taken in file order; rows {what}: {count}")
    end = count_of(split, train_share)
    choices = ["train ends at min(n/2, first labelled window - L)", f"L = {window} steps of {interval:g} s"]
    if probation:
        end = min(end, int(PROBATION_SHARE * len(values)), PROBATION_ROWS)
    if end < split:
        choices.append(f"of these rows the first {end} train{' (probation)' if probation else ''}")
    return prepare_series(
        values[:end, None],
        values[split:, None],
        labels[split:],
        window=window,
        stride_divisor=stride_divisor,
        source=name,
        columns=Columns(("value",)),
        normal_class="outside the labelled windows",
        choices=tuple(choices),
        notes=tuple(notes),
    )


def _read_stream(files: RawFiles, name: str) -> Iterator[Array]:
    """Rows of time (datetime64) and value (float64) of one CSV file."""
    for table in read_csv(files, name):
        if list(table.columns) != ["timestamp", "value"]:
            raise DataError(f"{name}: columns are {', '.join(table.columns)}; expected timestamp,value in this order")
        times = pd.to_datetime(table["timestamp"], format="%Y-%m-%d %H:%M:%S", errors="coerce")
        values = pd.to_numeric(table["value"], errors="coerce").to_numpy(dtype=np.float64)
        for column, bad in (("timestamp", times.isna().to_numpy()), ("value", ~np.isfinite(values))):
            if bad.any():
                row = table.index[int(np.argmax(bad))]
                found = table.loc[row, column]
                raise DataError(f"{name}: line {row + 2} has {column} {found!r}; expected a {column}, repair the file")
        rows = np.empty(len(table), dtype=[("time", "datetime64[s]"), ("value", np.float64)])
        rows["time"], rows["value"] = times.to_numpy(), values
        yield rows


def _label(files: RawFiles, stream: str, name: str, times: Array) -> Array:
    """uint8 (T,): 1 inside the owner's windows, whose two bounds belong to them."""
    labels_name = files.one("labels/combined_windows.json")
    try:
        windows = json.loads(files.read(labels_name))[stream]
        bounds = [(pd.Timestamp(start).to_numpy(), pd.Timestamp(end).to_numpy()) for start, end in windows]
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{labels_name}: not NAB's list of windows ({error}); delete it and fetch it again") from error
    except KeyError as error:
        raise DataError(f"{labels_name}: no entry for {stream}; fetch the full label file") from error
    labels = np.zeros(len(times), dtype=np.uint8)
    for start, end in bounds:
        inside = (times >= start) & (times <= end)
        if not inside.any() or start < times.min() or end > times.max():
            raise DataError(
                f"{name}: rows from {times.min()} to {times.max()} do not hold the labelled window {start} to {end}; "
                "the file is not complete, so delete it and fetch it again"
            )
        labels[inside] = 1
    return labels
