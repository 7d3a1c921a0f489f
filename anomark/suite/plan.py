"""What a suite amounts to: its datasets, cells and keys. The Snakefile computes it, and imports no method."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

from anomark import modality, seals
from anomark.contracts import UNPRINTABLE, AnomarkError, DataError
from anomark.data.rawfiles import locate, named
from anomark.records import SYNTHETIC, Cell, CellName, Data, Parts, Record
from anomark.reference import rows as reference
from anomark.suite import registry, select
from anomark.suite.backbones import find_weights
from anomark.suite.config import Suite
from anomark.suite.dropins import ROOT
from anomark.suite.environment import commit, environment
from anomark.suite.keys import Fingerprints, closure, digest
from anomark.suite.papers import PAPERS, find_paper
from anomark.suite.registry import Dataset, Method, find_method
from anomark.suite_records import Features, Jobs, MethodInfo, NotApplicable, SuiteRecord, Sweep, runs_once

STAGES = ROOT / "anomark" / "stages"
#: What the key of every dataset covers beside its own file, and the key of every cell beside its method.
ARRANGE, FIT_SCORE = ROOT / "anomark" / "data" / "arrange.py", ROOT / "anomark" / "runtime" / "fit_score.py"
#: What makes datasets of synthetic anomalies, and what their ids add to that of their source.
HELD_OUT, MADE = ROOT / "anomark" / "evaluation" / "held_out.py", "+synthetic"

#: What the record of a dataset takes over from its family.
FAMILY_SAYS = ("name", "modality", "level", "licence", "source", "citation")


class Plan:
    """The cells of one suite, and where everything it computes lies.

    Raises:
        AnomarkError: unknown names, misspelt parameters, or data that isn't there; nothing has run by then.
    """

    def __init__(self, suite: Suite, results: str = "results", reports: str = "reports") -> None:
        self.suite = suite
        self.results = results
        self.folder = f"{results}/{suite.suite}"
        self.report = f"{reports}/{suite.suite}"
        self.cells_root = os.environ.get("ANOMARK_CELLS") or f"{results}/cells"
        if re.search(rf"[{{}}{UNPRINTABLE}]", self.cells_root):  # braces would be wildcards of the workflow
            raise AnomarkError(
                f"ANOMARK_CELLS is {self.cells_root!r}: a path with braces or control characters; rename it"
            )
        root = suite.data_folder()
        # The loaders too: of data that comes with a library or is generated, they would tell the labels.
        loaders = str(ROOT / "datasets")
        self._private = (results, reports, self.cells_root, loaders, *([str(root)] if root else []))
        self.datasets = select.datasets(suite)
        self.methods = select.methods(suite)
        select.check_parameters(suite, self.datasets)
        registry.metrics()  # one that can't be read ends the run before it starts
        self.papers = [find_paper(name) for name in suite.papers]
        self.prints = Fingerprints(Path(results) / "fingerprints.json")
        #: By the key of the suite that names them, the pretrained networks that some method needs.
        self.features = {need: self._features(need) for need in sorted({n for m in self.methods for n in m.needs})}
        #: Datasets whose files are not here, and how to get them; the run does without.
        self.absent: dict[str, str] = {}
        self.data = {data.dataset: data for data in self._data()}
        self._private += tuple(data.raw for data in self.data.values() if data.raw and data.raw not in self._private)
        self.datasets = [d for d in self.datasets if d.id in self.data]
        if suite.choose:
            self._add_synthetic()
        self.prints.save()
        self._code: dict[tuple[Path, ...], tuple[dict[str, str], dict[str, str]]] = {}
        self.not_applicable = [
            NotApplicable(
                dataset=d.id,
                method=m.id,
                reason=f"{m.label} is made for {', '.join(modality.load(name).NOUN for name in m.modalities)}",
            )
            for d in self.datasets
            for m in self.methods
            if d.family.modality not in m.modalities
        ]
        self.cells = [
            self._cell(d, m, seed)
            for d in self.datasets
            for m in self.methods
            if d.family.modality in m.modalities
            for seed in self._seeds(d, m)
        ]
        self._networks = {need: features.name for need, features in self.features.items()}
        #: The suite's reference results, those rows of them that stand beside the cells, and why others don't.
        self.reference = reference.read(Path(reports) / "reference" / suite.suite)
        self.cells, self.beside, self.left_out = select.beside(
            suite, self.reference, self.cells, self.data, self._networks
        )
        self._by_id = {cell.id: cell for cell in self.cells}
        self._looking = {cell.maps: [c for c in self.cells if c.maps == cell.maps] for cell in self.cells if cell.maps}
        self.sweeps = {sweep.path: sweep for sweep in self._sweeps()}

    # -- data -----------------------------------------------------------------------------------------------------

    def _data(self) -> list[Data]:
        root = self.suite.data_folder()
        places = {d.id: path for d in self.datasets if (path := select.parameters(self.suite, d).get("path"))}
        needed = [d for d in self.datasets if d.family.files and d.id not in places]
        if needed and not (root.is_dir() if root else len(needed) < len(self.datasets)):
            where = "no data folder is named" if root is None else f"{root}: no such folder"
            raise DataError(
                f"{where}: set data_root in the config or ANOMARK_DATA to the folder that holds "
                + select.some(select.wanted(d, select.parameters(self.suite, d)) for d in needed)
            )
        found: dict[str, str] = {}  # what the files of each dataset hold
        for d in (d for d in self.datasets if d.id in places):
            try:
                path = named(places[d.id])
                files = locate(Path(), d.family.files, **select.parameters(self.suite, d))
                found[d.id] = self.prints.of(path if path.is_dir() else path.parent, files)
            except DataError as error:
                self.absent[d.id] = str(error)
        for d in needed:
            if root is None:
                self.absent[d.id] = (
                    f"{select.wanted(d, select.parameters(self.suite, d))}; name a data folder: ANOMARK_DATA"
                )
                continue
            try:
                found[d.id] = self.prints.of(root, locate(root, d.family.files, **select.parameters(self.suite, d)))
            except DataError:
                self.absent[d.id] = select.wanted(d, select.parameters(self.suite, d))
        if len(self.absent) == len(self.datasets):
            where = f"{root}: missing are " if needed else ""
            raise DataError(f"{where}{select.some(self.absent.values())}")
        out = []
        for d in self.datasets:
            if d.id in self.absent:
                continue
            params = select.parameters(self.suite, d)
            moved = {name: value for name, value in params.items() if name != "path"}  # wherever the same bytes lie
            rules = modality.path_of(d.family.modality)  # through the data's key, cells depend on it too
            sources, versions = closure([d.family.path, rules, ARRANGE])
            read = {"params": moved, "raw": found.get(d.id), "sources": sources, "versions": versions}
            key = digest({"dataset": d.id, **read})[:16]
            out.append(
                Data(
                    dataset=d.id,
                    base=d.base or d.id,
                    protocol=d.protocol,
                    draw_of=d.draw_of,
                    label=d.label,
                    params=params,
                    key=key,
                    module=d.family.module,
                    raw=os.path.expanduser(places.get(d.id, str(root))) if d.family.files else None,
                    folder=f"{self.results}/data/{d.id}/{key}",
                    labels=f"{self.results}/labels/{d.id}/{key}.npz",
                    **{name: getattr(d.family, name) for name in FAMILY_SAYS},
                )
            )
        return out

    def _add_synthetic(self) -> None:
        """Add to each dataset that is no variant one of its held-out normal samples and synthetic anomalies of them.

        Its cells run at the first seed alone.
        """
        for d in [d for d in self.datasets if not d.protocol and modality.load(d.family.modality).synthetic()]:
            made = replace(d, id=f"{d.id}{MADE}", base=d.id, protocol=SYNTHETIC, seed=self.suite.seeds[0])
            if made.id in self.data:
                raise AnomarkError(
                    f"datasets: {made.id!r} is what `choose` calls a dataset of its own; rename its files"
                )
            source = self.data[d.id]
            sources, versions = closure([HELD_OUT, modality.path_of(d.family.modality), ARRANGE])
            key = digest({"dataset": made.id, "from": source.key, "sources": sources, "versions": versions})[:16]
            change = {
                "dataset": made.id,
                "base": d.id,
                "protocol": made.protocol,
                "label": made.label,
                "key": key,
                "folder": f"{self.results}/data/{made.id}/{key}",
                "labels": f"{self.results}/labels/{made.id}/{key}.npz",
                "made_from": source,
            }
            self.data[made.id] = source.model_copy(update=change)
            self.datasets.append(made)

    def data_inputs(self, dataset: str) -> list[str]:
        """The files that a dataset still has to be made from: those of another dataset, or none."""
        data = self.data[dataset]
        stored = Path(data.labels).exists() and Path(data.folder, "meta.json").exists()
        return [f"{data.made_from.folder}/meta.json"] if data.made_from and not stored else []

    def _seeds(self, dataset: Dataset, method: Method) -> list[int]:
        seeds = self.suite.method_seeds.get(method.id, self.suite.seeds)
        if dataset.seed is not None:
            return [dataset.seed]
        return seeds[:1] if runs_once(method.deterministic, dataset.family.modality) else seeds

    # -- the perceptual network -----------------------------------------------------------------------------------

    def _features(self, need: str) -> Features:
        weights = find_weights(getattr(self.suite, need))
        raw = weights.owned(self.suite.data_folder())
        found = self.prints.of(raw.parent, [raw]) if raw else None
        # The code of the backbone too: methods find it by the file of weights, so it is in no method's closure.
        sources, versions = closure([weights.path])
        key = digest([weights.id, weights.source, found, sources, versions])[:16]
        path = f"{self.results}/features/{weights.id}-{key}.safetensors"
        return Features(kind=weights.id, key=key, path=path, raw=str(raw) if raw else None)

    # -- cells ----------------------------------------------------------------------------------------------------

    def _cell(self, dataset: Dataset, method: Method, seed: int) -> Cell:
        suite, data = self.suite, self.data[dataset.id]
        common = select.budget(suite, method, data.modality)
        own = suite.params.get(method.base, {})
        variant = suite.params.get(method.id, {}) if method.id != method.base else {}
        params = method.defaults | common | own | method.overrides | variant
        shrinks = modality.load(data.modality).RESIZABLE and not method.full_resolution
        resolution = suite.resolution if shrinks else None
        sources, versions = self._code_of(method.path, FIT_SCORE)
        features = next((self.features[need] for need in method.needs), None)
        parts = Parts(
            data=data.key,
            params=params,
            uses_valid=method.uses_valid,
            resolution=resolution,
            device=suite.device,
            threads=suite.threads,
            sources=sources,
            versions=versions,
            features=features.key if features else None,
            milestones=suite.milestones if params.get("steps", 0) != 0 and method.id == method.base else 0,
        )
        moves = {name: value for name, value in dict(parts).items() if name != "milestones" or value}
        key = digest({"dataset": dataset.id, "method": method.id, "seed": seed, **moves})[:16]
        return Cell(
            dataset=dataset.id,
            method=method.id,
            base=method.base,
            seed=seed,
            key=key,
            parts=parts,
            data=data.folder,
            features=features.path if features else None,
            maps=self._maps(data, method, features),
            folder=f"{self.cells_root}/{dataset.id}/{method.id}/{seed}-{key}",
            core_seconds=suite.cost(method.id, method.base, data.modality),
            private=self._private,
        )

    def _code_of(self, *files: Path) -> tuple[dict[str, str], dict[str, str]]:
        """The closure of some files, which many cells share."""
        if files not in self._code:
            self._code[files] = closure(files)
        return self._code[files]

    def _maps(self, data: Data, method: Method, features: Features | None) -> str | None:
        """The folder of f's maps of a dataset, for a method that looks through f at the samples as they are prepared.

        The key of a cell needs no word of it: what a method reads there has the bits that it would compute itself.
        """
        suite = self.suite
        if features is None or not method.full_resolution or suite.device != "cpu":
            return None
        key = digest([data.key, features.key, suite.threads, *self._code_of(STAGES / "maps.py")])[:16]
        return f"{self.results}/maps/{data.dataset}/{key}"

    def inputs(self, cell_id: str) -> list[str]:
        """The files that a cell still has to read. Once its result is stored there are none.

        Maps of f are made where more than one cell is going to read them.
        """
        cell = self._by_id[cell_id]
        if cell.exists:
            return []
        files = _files_for(cell, "train.npy", "test.npy", "meta.json")
        shared = cell.maps and sum(not other.exists for other in self._looking[cell.maps]) > 1
        return [*files, f"{cell.maps}/{seals.SUMS}"] if shared else files

    def maps_inputs(self, folder: str) -> list[str]:
        """The files that f's maps of a dataset are made from."""
        return _files_for(self._looking[folder][0], "train.npy", "test.npy", "meta.json")

    def _sweeps(self) -> list[Sweep]:
        suite, sources = self.suite, closure([STAGES / "sweep.py"])[0]
        code = sources["anomark/stages/sweep.py"]  # the cell's key holds whatever else moves a score
        out = []
        for cell in self.cells:
            swept = cell.method in suite.sweep.methods and not self.data[cell.dataset].protocol
            if swept and cell.seed == suite.seeds[0]:
                tried = find_method(cell.method).sweep
                key = digest([cell.key, suite.sweep.samples, tried, code])[:16]
                path = f"{self.results}/sweeps/{cell.dataset}/{cell.method}/{cell.seed}-{key}.npz"
                out.append(Sweep(**cell.only(CellName), cell=cell.id, samples=suite.sweep.samples, path=path))
        return out

    def sweep_inputs(self, path: str) -> list[str]:
        """The files that a sweep still has to read. Once it is stored there are none."""
        cell = self._by_id[self.sweeps[path].cell]
        return [] if Path(path).exists() else [*cell.outputs, *_files_for(cell, "test.npy", "meta.json")]

    def sweeps_of(self, dataset: str) -> list[Sweep]:
        return [sweep for sweep in self.sweeps.values() if sweep.dataset == dataset]

    def cells_of(self, dataset: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.dataset == dataset]

    @property
    def outputs(self) -> list[str]:
        """Every file of every cell. They are asked for one by one, so that a deleted cell is noticed."""
        return [path for cell in self.cells for path in cell.outputs]

    # -- keys of the two last stages ------------------------------------------------------------------------------

    def evaluation_key(self, dataset: str) -> str:
        """Changes with the cells, the labels, a metric's code, or the methods that stand out."""
        metrics = registry.metrics().values()
        files = {ROOT / "metrics" / f"{metric.base}.py" for metric in metrics}
        sources, versions = closure([STAGES / "evaluate.py", *files])
        cells = [[c.method, c.seed, c.key] for c in self.cells_of(dataset)]
        cells += [[row.id, row.commit] for row in self.beside if row.dataset == dataset]
        rows = [row.model_dump() for row in self.not_applicable if row.dataset == dataset]
        sweeps = [sweep.path for sweep in self.sweeps_of(dataset)]
        fitting = [[metric.id, metric.levels, metric.needs] for metric in metrics]
        known = [rows, self.data[dataset].model_dump(), self.features, self.suite.highlight, fitting]
        return digest([cells, sweeps, known, sources, versions])[:16]

    def report_key(self) -> str:
        """Changes with the report's code, sections, templates, papers, modalities, and the suite's description."""
        found = [file for name in ("report/sections", "modalities") for file in (ROOT / "anomark" / name).glob("*.py")]
        sources, versions = closure([STAGES / "report.py", *found])
        files = sorted((ROOT / "anomark/report").rglob("*.j2"))
        files += (ROOT / "reports" / "reference" / "choice").glob("*.csv") if self.suite.choose else ()
        for name, form in product(self.suite.papers, ("csv", "yaml")):
            files += sorted((PAPERS / name).rglob(f"*.{form}"))
        texts = {f"{file.parent.name}/{file.name}": file.read_text(encoding="utf-8") for file in files}
        evaluations = [self.evaluation_key(d) for d in self.data]
        described = [self._methods(), [*registry.metrics().values()]]
        suite = [self.suite.papers, self.suite.highlight, self.absent, self.left_out, described]
        return digest([evaluations, suite, sources, versions, texts])[:16]

    # -- descriptions for the jobs --------------------------------------------------------------------------------

    def _methods(self) -> tuple[MethodInfo, ...]:
        """The methods of the suite, and those of which reference results stand beside."""
        own = {m.id: MethodInfo.model_validate(m, from_attributes=True) for m in self.methods}
        return tuple({**{row.method: self.reference.methods[row.method] for row in self.beside}, **own}.values())

    def jobs(self) -> Jobs:
        """What the jobs of the suite read."""
        return Jobs(
            data=self.data,
            cells=self._by_id,
            sweeps=self.sweeps,
            features=self.features,
            not_applicable=tuple(self.not_applicable),
            limits=self.suite.limits,
            methods=self._methods(),
            highlight=tuple(self.suite.highlight),
            settings=select.settings(self.suite, self.cells, self.data, self._networks),
            reference=reference.told(self.reference, self.beside),
        )

    def write(self) -> None:
        """Write plan.json, what the jobs of a run read, and suite.json."""
        self._save(self.jobs(), "plan.json")
        self.describe()

    def describe(self) -> None:
        """Write suite.json, what the report says of the suite."""
        self._save(self.record(), "suite.json")

    def record(self) -> SuiteRecord:
        """What the report says of the suite."""
        return SuiteRecord(
            suite=self.suite.suite,
            seeds=tuple(self.suite.seeds),
            config=self.suite.model_dump(mode="json"),
            papers=tuple(self.suite.papers),
            highlight=tuple(self.suite.highlight),
            methods=self._methods(),
            metrics=tuple(registry.metrics().values()),
            datasets=tuple(self.data),
            absent=self.absent,
            left_out=tuple(self.left_out),
            environment=environment(),
            **commit(),
        )

    def _save(self, record: Record, name: str) -> None:
        record.save(path := Path(self.folder) / name)
        seals.seal(path)


def _files_for(cell: Cell, *data: str) -> list[str]:
    """The files of its data that a cell reads, and the weights of f where its method needs them."""
    return [*(f"{cell.data}/{name}" for name in data), *filter(None, [cell.features])]
