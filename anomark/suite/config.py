"""A suite: which datasets, methods and seeds run, on what budget. Its keys are documented by their descriptions."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from anomark import modality
from anomark.contracts import AnomarkError, nearest
from anomark.files import read_yaml
from anomark.suite.backbones import offered
from anomark.suite.dropins import ROOT
from anomark.suite_records import Limits

Number = int | float
Seed = Annotated[int, Field(ge=0, lt=2**32)]

#: Folders of `results/` that belong to no suite.
SHARED = ("cells", "data", "features", "labels", "sweeps")


class Sweep(BaseModel):
    """Which stored models are scored again at other settings, for the report's section on settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    methods: list[str] = Field(
        [],
        description="Methods with a `SWEEP`: their stored models of the first seed are scored at its settings.",
    )
    samples: int = Field(64, ge=2, description="Test samples of each dataset that they score, evenly spaced.")


class Suite(BaseModel):
    """A benchmark suite. Every file in `config/` is an overlay over `config/default.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    suite: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=100,
        description="Name of the suite: its outputs go to `results/<suite>/` and `reports/<suite>/`.",
    )
    data_root: str | None = Field(
        None, description="Folder of the owners' files, for datasets that aren't embedded. `ANOMARK_DATA` overrides it."
    )
    datasets: list[str] = Field(
        min_length=1,
        description="Dataset ids, or patterns such as `msl-*`; `anomark list datasets` shows them. A pattern such as "
        "`folder-*` meets the items that are in the data folder.",
    )
    only: list[str] = Field(
        [], description="The only methods of this suite; where the list is empty, all that fit its data."
    )
    include: list[str] = Field(
        [], description="Methods to add to those that belong to this suite by their own `SUITES`."
    )
    exclude: list[str] = Field([], description="Methods to leave out of this suite.")
    papers: list[str] = Field(
        [],
        description="Papers whose tables the report sets beside the measured numbers; `anomark list papers` shows all.",
    )
    highlight: list[str] = Field(
        [],
        description="Methods that have a column of their own in the headline and keep a colour in every picture. The "
        "first of them chooses the examples that the gallery shows.",
    )
    seeds: list[Seed] = Field(
        min_length=1, description="Seeds to repeat every cell with. A deterministic method runs once, at the first."
    )
    method_seeds: dict[str, Annotated[list[Seed], Field(min_length=1)]] = Field(
        {}, description="Seeds of single methods in place of those, some of them, by method id."
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where trained methods run.")
    threads: int = Field(
        1,
        ge=1,
        description="Threads of one cell, of which Snakemake runs as many at once as their threads fit into `--cores`: "
        "one with `--cores 2` and 2 threads. A single cell may end sooner with 2; many end sooner with 1 each. Another "
        "count trains other weights, so it is part of every key.",
    )
    features: str = Field(
        "efficientnet_lite0",
        description="The frozen perceptual network f of the methods that need one, by a name that a file of "
        "`anomark/detectors/backbones/` has under WEIGHTS. `efficientnet_lite0` and `mobilenet_v2` are trained on "
        "ImageNet: the first comes with a Python package, the second lies in the data folder "
        "(`weights/mobilenet_v2.safetensors`) or is fetched. `embedded` is trained here without labels, and `random` "
        "is the control.",
    )
    audio_features: str = Field(
        "yamnet",
        description="The frozen network of the methods that listen to clips through one, by a name that a file of "
        "`anomark/detectors/listeners/` has under WEIGHTS. `yamnet` is trained on AudioSet and lies in the data folder "
        "(`weights/yamnet_spectra_in.tflite`) or is fetched. `yamnet_random` is the control.",
    )
    budget: dict[str, Number | dict[str, Number]] = Field(
        {},
        description="The same training budget for all methods; it overrides those DEFAULTS that bear the name. Under "
        "the id of a modality stands what is otherwise for its data: `{steps: 500, image: {steps: 2000}}`.",
    )
    milestones: int = Field(
        0,
        ge=0,
        le=20,
        description="At how many points of its training a method is scored: at the end, after half of its steps, after "
        "half of these, and so on; a variant is scored at the end alone. The report draws AUROC over training time "
        "from them; 0 leaves it out. The end itself is the same with and without.",
    )
    resolution: int | None = Field(
        None,
        ge=8,
        description="Side of the images that methods work on: larger ones are reduced to it. A method that says "
        "`FULL_RESOLUTION` (those that look through f) gets them as they are prepared (`preprocessing: size`).",
    )
    preprocessing: dict[str, Number] = Field(
        {}, description="Parameters of all datasets. They override those DEFAULTS of a dataset that bear the name."
    )
    params: dict[str, dict[str, Any]] = Field({}, description="Parameters of single methods, by method id.")
    dataset_params: dict[str, dict[str, Any]] = Field(
        {}, description="Parameters of dataset families, by family id, or of single datasets, by dataset id."
    )
    limits: Limits = Field(Limits(), description="Time and memory limit of one cell.")
    sweep: Sweep = Field(Sweep(), description="Which stored models are scored again at other settings.")
    choose: bool = Field(
        False,
        description="Whether to rank the methods of every dataset without its labels: they are fitted once more, "
        "without the held-out normal samples, and tested on these beside synthetic anomalies of them.",
    )
    reference: Literal["show", "reuse", "ignore"] = Field(
        "show",
        description="What becomes of the suite's reference results in `reports/reference/<suite>/`. `show`: those of "
        "methods that this run doesn't compute stand beside its own, where they were made under the same protocol. "
        "`reuse`: a cell whose result stands there under the same key isn't computed either. `ignore`: nothing.",
    )
    core_seconds: dict[str, Number | dict[str, Number]] = Field(
        {"other": 5},
        description="Declared cost of one cell in core-seconds, by method id; `other` is that of the rest. A variant "
        "without one of its own has that of its base. Under the id of a modality stands what is otherwise for its "
        "data. The expected time left is computed from these.",
    )

    @field_validator("features", "audio_features")
    @classmethod
    def _offered(cls, name: str, info: ValidationInfo) -> str:
        known = offered(str(info.field_name))
        if name not in known:
            raise ValueError(f"no backbone offers these weights; {nearest(name, known)}")
        return name

    @field_validator("datasets", "only", "include", "exclude", "papers", "highlight", "seeds", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """One thing where a list is asked for, as `--config seeds=3` gives it, or several with commas between them."""
        if isinstance(given, str):
            return [name.strip(" \"'") for name in given.strip(" []").split(",") if name.strip()]
        return [given] if isinstance(given, int) else given

    @field_validator("seeds", "papers", "highlight")
    @classmethod
    def _distinct(cls, named: list[Any], info: ValidationInfo) -> list[Any]:
        if len(set(named)) != len(named):
            raise ValueError(f"{info.field_name} are repeated in {named}; name each once")
        return named

    @field_validator("budget", "core_seconds", mode="before")
    @classmethod
    def _by_modality(cls, given: Any) -> Any:
        for key, value in given.items() if isinstance(given, dict) else ():
            if isinstance(value, dict) and key not in modality.ids():
                raise ValueError(f"{key!r} has numbers of its own and is no modality; {nearest(key, modality.ids())}")
            if not isinstance(value, dict) and key in modality.ids():
                raise ValueError(f"{key!r} is a modality; give what is otherwise for its data, such as {{steps: 500}}")
            for name, number in value.items() if isinstance(value, dict) else [(key, value)]:
                if type(number) not in (int, float):
                    raise ValueError(
                        f"{name} is {number!r}" + f" for {key}" * isinstance(value, dict) + "; give a number"
                    )
        return given

    @field_validator("method_seeds")
    @classmethod
    def _some(cls, given: dict[str, list[int]], info: ValidationInfo) -> dict[str, list[int]]:
        for method, seeds in given.items():
            if set(seeds) - set(info.data.get("seeds", seeds)) or len(set(seeds)) != len(seeds):
                raise ValueError(f"{method} has the seeds {seeds}; name some of the suite's `seeds`, each once")
        return given

    @field_validator("suite")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in SHARED:
            raise ValueError(f"results/{name}/ holds what all suites share; choose another name")
        if name == "reference":
            raise ValueError("reports/reference/ holds the reference results of all suites; choose another name")
        return name

    @field_validator("params", "dataset_params")
    @classmethod
    def _plain(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if strange := list(_strange(given)):
            raise ValueError(f"{strange[0]!r} is no parameter; give text, finite numbers, true or false, or lists")
        return given

    def cost(self, method: str, base: str, kind: str) -> float:
        """The declared core-seconds of one cell of a method on data of the modality `kind`."""
        declared = of_modality(self.core_seconds, kind)
        return float(declared.get(method, declared.get(base, declared.get("other", 5))))

    def data_folder(self) -> Path | None:
        """The data folder: the variable ANOMARK_DATA, else `data_root`."""
        root = os.environ.get("ANOMARK_DATA") or self.data_root
        try:
            return Path(root).expanduser() if root else None
        except RuntimeError:
            raise AnomarkError(f"data_root is {root!r}: there is no such user; write the folder out") from None


def of_modality(given: Mapping[str, Number | dict[str, Number]], name: str) -> dict[str, Number]:
    """What a key of a suite says for one modality: its numbers, and over them what stands under the modality's id."""
    own = given.get(name, {})
    assert isinstance(own, dict)
    return {key: value for key, value in given.items() if not isinstance(value, dict)} | own


#: The schema of a suite (""), and the schemas of those of its keys that hold keys of their own.
SCHEMAS: dict[str, type[BaseModel]] = {"": Suite, "limits": Limits, "sweep": Sweep}


def validate(raw: Mapping[str, Any], source: str) -> Suite:
    """The suite that plain data describes.

    Raises:
        AnomarkError: one sentence that names the source, the key, what was found and what was expected.
    """
    try:
        return Suite.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        keys = SCHEMAS.get(str(first["loc"][0]), Suite).model_fields
        raise AnomarkError(f"{source}: {complaint(error, keys)}") from None


def _strange(value: Any) -> Iterator[Any]:
    """What is no plain value that JSON keeps as it is, in a parameter or inside it."""
    if isinstance(value, dict):
        for key, own in value.items():
            yield from () if isinstance(key, str) else (key,)
            yield from _strange(own)
    elif isinstance(value, list):
        for own in value:
            yield from _strange(own)
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        yield value


def complaint(error: ValidationError, keys: Iterable[str]) -> str:
    """The first thing that is wrong with a file, in one sentence.

    Args:
        keys: those that could stand where the file has an unknown one.
    """
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {nearest(str(first['loc'][-1]), keys)}"
    if first["type"] == "missing":
        return f"the key {key!r} is missing"
    whole = first["type"] == "value_error" and isinstance(first["input"], Mapping)  # the sentence says what was found
    found = "" if whole else f" is {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}{found}: {message}" if key else message


def suites() -> dict[str, Path]:
    """The suites that ship with the project, by name."""
    return {path.stem: path for path in sorted((ROOT / "config").glob("*.yaml"))}


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` laid over `base` as Snakemake does it: mappings merge key by key, and everything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def load(*names: str) -> Suite:
    """The default suite under the given overlays: names of suites, or YAML files.

    Raises:
        AnomarkError: an unknown suite, an unreadable file, a wrong key or value.
    """
    known = suites()
    merged = read_yaml(known["default"])
    source = "config/default.yaml"
    for name in names:
        path = known.get(name) or Path(name)
        if name not in known and path.suffix not in (".yaml", ".yml"):
            raise AnomarkError(f"unknown suite {name!r}; {nearest(name, known)}")
        merged, source = merge(merged, read_yaml(path)), str(path)
    return validate(merged, source)
