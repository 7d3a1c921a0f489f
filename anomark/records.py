"""The JSON files that one stage writes and another reads, each as a typed record with `load` and `save`.

A field that a file does not have takes its default, and a field that the record does not know is passed over. So
files of older versions of the benchmark still load. Nothing here imports a numerical library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from anomark import seals
from anomark.contracts import Columns, DataError
from anomark.files import replacing
from anomark.outcomes import Outcome

#: What the column `differs` of sweep.csv says of the setting that a model was made with.
OWN = "nothing"
#: The protocol of a dataset that is made of another's held-out normal samples, to choose a method without labels.
SYNTHETIC = "synthetic anomalies"


class Record(BaseModel):
    """What all records share: they don't change, and they know how they are stored."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record from a JSON file.

        Raises:
            DataError: the file is missing, is not JSON, or a field is missing or of the wrong type.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise DataError(f"{path}: the file does not exist; run snakemake, which writes it") from None
        except OSError as error:
            raise DataError(f"{path}: the file can't be read ({error.strerror}); mend its permissions") from None
        return cls._parse(path, content)

    @classmethod
    def load_sealed(cls, path: Path, **belongs: Any) -> Self:
        """Read a record whose bytes are those that were sealed, and whose fields `belongs` have these values.

        Raises:
            Damaged: the bytes are others, or the file belongs elsewhere.
            DataError: another version of the benchmark wrote it in a format that this one does not know.
        """
        record = cls._parse(path, seals.read(path))
        found = {name: getattr(record, name) for name in belongs}
        if found != belongs:
            raise seals.Damaged(path, f"it belongs to {_words(found)}, expected {_words(belongs)}")
        return record

    @classmethod
    def _parse(cls, path: Path, content: bytes) -> Self:
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            found = f"{where}: {first['msg']}" if where else first["msg"]
            raise DataError(
                f"{path}: it is not a valid {cls.__name__} record ({found}); delete it and run snakemake, which "
                "writes it anew"
            ) from None

    def only(self, kind: type[Record]) -> dict[str, Any]:
        """Those fields of this record that another kind of record has too."""
        return {name: getattr(self, name) for name in kind.model_fields}

    def save(self, path: Path) -> None:
        """Write the record as JSON; the file is there whole or not at all."""
        with replacing(path) as partial:
            partial.write_text(self.model_dump_json(indent=1), encoding="utf-8")


def _words(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


# -- datasets ------------------------------------------------------------------------------------------------------


class DatasetInfo(Record):
    """What is known of a dataset before its data is read.

    dataset
        Its id.
    base, protocol
        A variant of a dataset names that dataset as its base, and what it changes as its protocol. Of other datasets
        the protocol is empty, and the base is their own id, or that of the file that holds their series and others.
    draw_of
        The variant that this is one draw of, where a protocol draws its data anew for each seed.
    label, name
        The short name for tables and the full one.
    key
        Hash of everything that the prepared data depends on.
    """

    dataset: str
    base: str = ""
    protocol: str = ""
    draw_of: str = ""
    label: str = ""
    name: str = ""
    modality: str
    level: str
    licence: str = ""
    source: str = ""
    citation: str = ""
    params: dict[str, Any] = {}
    key: str = ""


class Data(DatasetInfo):
    """A dataset as the plan has it: where its `prepare` is found, and where what it returns is stored.

    module
        The import name of the dataset's file.
    raw
        The folder of the owners' files; None where the dataset needs none.
    folder, labels
        The folder of the arrays, which methods see, and the file of the labels, which only `evaluate` opens.
    made_from
        The dataset that its arrays are made of, where that is another one (`anomark.evaluation.held_out`).
    """

    module: str
    raw: str | None
    folder: str
    labels: str
    made_from: Data | None = None

    def meta(self) -> Meta:
        """meta.json of the stored arrays; `anomark.seals.Damaged` where it is another's or has other bytes."""
        return Meta.load_sealed(Path(self.folder) / "meta.json", dataset=self.dataset, key=self.key)


class Samples(Record):
    """The size and the making of a prepared dataset; all empty where its data was refused.

    shape
        Of one sample: (C, H, W) of an image, (C, L) of a window or a clip.
    n_train, n_test
        Rows of the training part (held-out ones among them) and of the test part; windows where a series is cut.
    window, stride
        In steps; None where samples are not cut from a series.
    normal_class, choices, notes
        As in `anomark.contracts.Prepared`.
    refused
        Why the data can't be used, in one sentence, or None.
    """

    shape: tuple[int, ...] = ()
    n_train: int = 0
    n_test: int = 0
    window: int | None = None
    stride: int | None = None
    normal_class: str = ""
    choices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: str | None = None


class Meta(Samples):
    """meta.json beside the arrays of a prepared dataset: all that a method's cell is told about them.

    key, value_range, rate, columns
        As in `DatasetInfo` and `anomark.contracts.Prepared`.
    fit, valid, valid_groups
        Indices of the training rows (windows) to fit on, and of the held-out normal ones. These are of so many
        recordings; None where rows don't depend on each other.
    train_starts, test_starts
        First step of each window of the two parts, test windows in their seeded order; None of other data.
    """

    dataset: str
    key: str = ""
    modality: str
    level: str
    value_range: tuple[float, float] | None = None
    rate: int | None = None
    columns: Columns | None = None
    fit: tuple[int, ...] = ()
    valid: tuple[int, ...] = ()
    valid_groups: int | None = None
    train_starts: tuple[int, ...] | None = None
    test_starts: tuple[int, ...] | None = None


class Summary(DatasetInfo, Samples):
    """summary.json of an evaluated dataset: what the report says of it beside the numbers.

    n_valid
        Held-out normal rows.
    labelled, n_labels, n_anomalous
        Whether anybody knows the labels of the test part (of rows, or of steps), their number, and that of anomalies.
    copies
        Test samples that equal a training sample; None where samples are windows of one series.
    random_band
        95% of the AUROC of a random score.
    f
        Name of the frozen network of the methods that need one, or None.
    method_params
        Resolved parameters of every method that ran.
    failed_metrics
        Metrics that raised instead of giving a number, and the first error of each.
    warnings
        What could make a score good for a reason that nobody wants, each in a sentence.
    """

    n_valid: int = 0
    labelled: bool = True
    n_labels: int = 0
    n_anomalous: int = 0
    copies: int | None = None
    random_band: tuple[float, float] = (0.0, 1.0)
    f: str | None = None
    method_params: dict[str, dict[str, Any]] = {}
    failed_metrics: dict[str, str] = {}
    warnings: tuple[str, ...] = ()


# -- cells ---------------------------------------------------------------------------------------------------------


class Parts(Record):
    """What the key of a cell is made of, beside the ids of its dataset and method and its seed.

    data, features
        Keys of the prepared data and of the frozen network f; None where the method doesn't need f.
    resolution
        The side that images are reduced to, or None.
    sources, versions
        Hash of every file of code that can move the result, by path, and version of every such library.
    milestones
        How many points of its training the method is scored at; 0 where it is scored at the end alone.
    """

    data: str
    params: dict[str, Any]
    uses_valid: bool
    resolution: int | None
    device: Literal["cpu", "cuda"]
    threads: int
    sources: dict[str, str]
    versions: dict[str, str]
    features: str | None = None
    milestones: int = 0


class CellName(Record):
    """What the rows of every table begin with."""

    dataset: str
    method: str
    seed: int


class CellInfo(CellName):
    """Which cell something belongs to; `base` is the id of the method file, from which variants have another id."""

    base: str
    key: str
    parts: Parts


class Cell(CellInfo):
    """One (dataset, method or variant, seed) as the plan has it.

    data, features
        Folder of the prepared data, and file of the weights of f or None.
    maps
        Folder of f's maps of the data, read where it is there; None where the method looks at other samples.
    folder
        Where its result is stored; the key names it.
    core_seconds
        What the suite declares that it costs.
    private
        Folders that its process may not open, but for what is its own: all results and reports, the owners' files.
    """

    data: str
    features: str | None
    maps: str | None = None
    folder: str
    core_seconds: float
    private: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.dataset}/{self.method}/{self.seed}-{self.key}"

    @property
    def outputs(self) -> list[str]:
        return [f"{self.folder}/{name}" for name in ("fit.json", "scores.npz", seals.SUMS)]

    @property
    def exists(self) -> bool:
        """Whether its result is stored; the key leaves nothing else to ask."""
        return all(Path(path).exists() for path in self.outputs)

    def record(self) -> FitRecord:
        """fit.json of its stored result; `anomark.seals.Damaged` where it is another's or has other bytes."""
        own = {name: getattr(self, name) for name in ("dataset", "method", "seed", "key")}
        return FitRecord.load_sealed(Path(self.folder) / "fit.json", **own)

    def meta(self) -> Meta:
        """meta.json of its prepared data, as `Data.meta`."""
        return Meta.load_sealed(Path(self.data) / "meta.json", dataset=self.dataset, key=self.parts.data)

    @property
    def checkpoints(self) -> str:
        """The folder that an interrupted fit resumes from; no part of the result."""
        folder = Path(self.folder)
        return str(folder.with_name(f".{folder.name}.checkpoints"))


class Device(Record):
    """What a cell ran on; `card` is the number of the GPU, `processor` the name of the CPU where it was recorded."""

    kind: str
    card: str | None = None
    processor: str | None = None


class Cost(Record):
    """What a cell used; None where it was not measured.

    fit_seconds, score_seconds, wall_seconds
        By the clock: of the fit, of scoring the test part, and of the whole process.
    cpu_seconds, peak_memory_mb
        Of the whole process; memory in MiB, the largest resident size that was seen.
    parameters
        Numbers in the stored model.
    network_calls, flops_per_sample
        For the score of one sample: calls of the network, and floating-point operations in its convolutions and
        matrix products.
    """

    fit_seconds: float | None = None
    score_seconds: float | None = None
    seconds_per_sample: float | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_mb: float | None = None
    parameters: int | None = None
    network_calls: int | float | None = None
    flops_per_sample: int | None = None


class StoredModel(Record):
    """Where a fitted model is stored. The format "refit" has no file: the model is made again from its seed, and
    `why` says what stands against storing it."""

    file: str | None
    format: Literal["safetensors", "skops", "refit"]
    why: str = ""


class Milestone(Record):
    """A point of a training: its steps, and the seconds of a fit with so many, by the clock and of the processor."""

    steps: int
    seconds: float
    core_seconds: float


class Result(Record):
    """result.json: what the process that fits and scores says of itself before it ends.

    milestones
        Of each row of `earlier` in scores.npz, then of `score` itself; empty where nothing was scored before the end.
    info
        What the method tells of itself, and the curves of its losses under `loss`: loop -> rows of a step and the
        mean of each loss up to it.
    """

    status: Outcome
    reason: str = ""
    cost: Cost = Cost()
    model: StoredModel | None = None
    info: dict[str, Any] = {}
    milestones: tuple[Milestone, ...] = ()


class FitRecord(CellInfo, Result):
    """fit.json: how a cell ended.

    log
        The last lines that the process printed.
    """

    device: Device
    log: str = ""
