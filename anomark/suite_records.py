"""The two files that describe a suite: plan.json, which its jobs read, and suite.json, which its report reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from anomark.records import Cell, CellName, Data, Record

#: The tables of a whole suite beside these two files: all numbers, all outcomes, what settings are worth.
TIDY = ("metrics.csv", "coverage.csv", "sweep.csv")


class Features(Record):
    """A frozen network of a suite: f for pictures, or the one for sounds.

    kind
        Its name in the suite, such as mobilenet_v2 or yamnet.
    path
        The file that its weights are written to.
    raw
        A file of the owner to read the weights from; None where they are trained, drawn or fetched.
    """

    kind: str
    key: str
    path: str
    raw: str | None

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.key[:8]}"


class Sweep(CellName):
    """The stored model of one cell, to be scored at other settings; `path` is the file for what comes of it."""

    cell: str
    samples: int
    path: str


class NotApplicable(Record):
    """A method that is not made for a dataset, and why."""

    dataset: str
    method: str
    reason: str


class Limits(Record):
    """What one cell may use before it is stopped and printed as `timeout` or `oom`."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False
    )  # a misspelt limit in a suite's file would limit nothing

    seconds: float = Field(1800, gt=0, description="Wall-clock seconds for the fit and score of one cell.")
    memory_gb: float = Field(8, gt=0, description="Resident memory of one cell, in GiB.")


def runs_once(deterministic: bool | tuple[str, ...], modality: str) -> bool:
    """What a method's DETERMINISTIC says of a modality: yes or no for all, or the modalities that it holds for."""
    return modality in deterministic if isinstance(deterministic, tuple) else deterministic


class MethodInfo(Record):
    """What the tables know of a method, a control or a variant.

    paper
        Where the method was published, as its file cites it.
    base
        The method that a variant is of; its own id, or empty, for others.
    track
        Methods are ranked within their track: with a pretrained network at score time, or from scratch.
    family
        What kind of detector it is, as its file says.
    """

    id: str
    label: str
    name: str = ""
    paper: str = ""
    base: str = ""
    kind: Literal["method", "control"] = "method"
    track: str = "from scratch"
    family: str = ""
    deterministic: bool | tuple[str, ...] = False
    transductive: bool = False

    @property
    def is_control(self) -> bool:
        return self.kind == "control"

    @property
    def is_variant(self) -> bool:
        return self.base not in ("", self.id)

    @property
    def is_rival(self) -> bool:
        """Whether it competes for a rank. A variant doesn't: it is its method with one switch turned."""
        return not self.is_control and not self.is_variant


class MetricInfo(Record):
    """What the tables know of a metric.

    id
        As metrics.csv names it.
    label, name
        The short name for tables and the full one.
    base
        The file of metrics/ that computes it; several numbers can come from one file.
    what
        What it measures, in one sentence.
    levels
        What one label stands for where the metric applies; empty where it applies at every level of labels.
    range
        The lowest and the highest possible value; None where there is no bound.
    needs
        What it reads beside labels and scores: fields of `anomark.statistics.context.Context`.
    note
        What a reader must know before trusting the number.
    flattering
        Whether a random score does well in it, so that the control's value has to stand beside.
    """

    id: str
    label: str
    name: str = ""
    base: str = ""
    what: str = ""
    levels: tuple[str, ...] = ()
    range: tuple[float | None, float | None] = (None, None)
    higher_is_better: bool = True
    source: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""
    flattering: bool = False

    @property
    def digits(self) -> int:
        """Decimals that its values are printed with: none where they go up to 100, say, and three elsewhere."""
        return 0 if any(bound is not None and abs(bound) > 1 for bound in self.range) else 3

    def better(self, value: float, other: float) -> bool:
        """Whether one value is better than another."""
        return value > other if self.higher_is_better else value < other


class Setting(Record):
    """What two results must share to stand in one table, beside the dataset's id. All of it is text, as tables have it.

    data
        Key of the prepared data; empty where nobody kept it.
    f
        The frozen network of a method that looks through one, as `Features.name`, or its kind alone where its weights
        are not known; else empty.
    resolution
        The side that images are reduced to, or "as prepared"; empty where a method or its data knows no such thing.
    budget
        The parameters of the suite's budget that the method has: "batch_size=16 steps=150".
    """

    data: str = ""
    f: str = ""
    resolution: str = ""
    budget: str = ""

    @staticmethod
    def budget_text(values: dict[str, Any]) -> str:
        """A budget as tables have it."""
        return " ".join(f"{name}={value}" for name, value in sorted(values.items()))

    @property
    def budgeted(self) -> set[str]:
        """The parameters that the budget names."""
        return {part.partition("=")[0] for part in self.budget.split()}


class Reference(Record):
    """Rows of the reference results of a suite that stand beside what a run computes.

    folder
        Where the reference lies.
    cells
        The cells of these rows.
    """

    folder: str
    cells: tuple[CellName, ...]


class Jobs(Record):
    """plan.json: what the jobs of a suite read. Data by dataset, cells by id, sweeps by path.

    features
        Frozen networks by the key of the suite that names them, `features` for f.
    highlight
        Ids of the methods that stand out; the first that a dataset has chooses the examples stored of it.
    settings
        By `<dataset>/<method>`, under what its cells are computed.
    reference
        Results that were computed before, which the evaluation sets beside its own; None where there are none.
    """

    data: dict[str, Data]
    cells: dict[str, Cell]
    sweeps: dict[str, Sweep]
    features: dict[str, Features]
    not_applicable: tuple[NotApplicable, ...]
    limits: Limits
    methods: tuple[MethodInfo, ...]
    highlight: tuple[str, ...] = ()
    settings: dict[str, Setting] = Field(default_factory=dict)
    reference: Reference | None = None


class SuiteRecord(Record):
    """suite.json: what the report says of the suite as a whole.

    config
        The resolved configuration.
    papers
        Ids of the papers whose tables the report sets beside the measured numbers.
    highlight
        Ids of the methods that stand out in tables and pictures, the first of them first.
    absent
        Datasets whose files are not here, and how to get them.
    left_out
        Why reference results of the suite do not stand beside its own, each in a sentence.
    environment
        Python, platform, and the versions of the libraries that can move a number.
    commit, date, modified
        State of the checkout: commit, its date, and whether files differ from it; None outside of git.
    """

    suite: str
    seeds: tuple[int, ...]
    config: dict[str, Any] = Field(default_factory=dict)
    papers: tuple[str, ...] = ()
    highlight: tuple[str, ...] = ()
    methods: tuple[MethodInfo, ...]
    metrics: tuple[MetricInfo, ...] = ()
    datasets: tuple[str, ...]
    absent: dict[str, str] = Field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None
    date: str | None = None
    modified: bool | None = None
