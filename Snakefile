# The whole benchmark on one page: prepare -> fit -> score -> evaluate -> report.
#
#     snakemake --cores all                                        the embedded default suite
#     snakemake --cores all --configfile config/paper-cpu.yaml     another suite, over the default
#
# A cell is (dataset, method, seed). Its folder is named by a key over everything its result depends on, so the
# folder exists or it doesn't: nothing here needs the sources of a method as input.
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from snakemake.exceptions import WorkflowError

from anomark.runtime import forkserver, progress
from anomark.runtime.alone import run_alone, write_plan
from anomark.suite.config import validate
from anomark.contracts import AnomarkError
from anomark.seals import SUMS
from anomark.stages.heal import set_damaged_aside
from anomark.files import read_yaml
from anomark.suite.dropins import export
from anomark.suite.plan import Plan
from anomark.suite_records import TIDY


configfile: f"{workflow.basedir}/config/default.yaml"


try:
    # The default comes last in this list, behind the overlays: a typo is in one of them, if there is one.
    for path in workflow.configfiles:
        read_yaml(Path(path))  # Snakemake takes the last of two equal keys, and says nothing
    PLAN = Plan(validate(config, ", ".join(map(str, workflow.configfiles[:-1] or workflow.configfiles))))
except AnomarkError as error:
    raise WorkflowError(str(error))

DAMAGED = []


def look_for_damage():
    """Move aside what is stored and damaged, so that this run makes it again."""
    try:
        DAMAGED.extend(set_damaged_aside(PLAN))
    except (AnomarkError, OSError) as error:
        raise WorkflowError(str(error))


run_alone(workflow, PLAN, first=look_for_damage)

# What jobs read their part of the plan from. A variable, because a suite's name must not mark shared cells as changed.
export(ANOMARK_PLAN=f"{PLAN.folder}/plan.json")
DATA = f"{PLAN.results}/data/{{dataset}}/{{key}}"
CELL = f"{PLAN.cells_root}/{{dataset}}/{{method}}/{{cell}}"
EVALUATION = f"{PLAN.folder}/evaluation/{{dataset}}"
SWEEPS = f"{PLAN.results}/sweeps"
LOGS = f"{PLAN.folder}/logs"


onstart:
    write_plan(PLAN)
    progress.watch(PLAN, workflow.cores)
    forkserver.serve(Path(".snakemake"), PLAN)


wildcard_constraints:
    dataset=r"[^/]+",
    method=r"[^/]+",
    key=r"[0-9a-f]+",
    name=r"[a-z0-9_]+-[0-9a-f]+",
    cell=r"\d+-[0-9a-f]+",


localrules:
    all,


rule all:
    input:
        lambda w: DAMAGED,
        PLAN.outputs,
        f"{PLAN.report}/index.html",
        f"{PLAN.folder}/verdict.txt",


rule prepare_data:
    # The labels go to a folder of their own, which no cell has as input.
    input:
        lambda w: PLAN.data_inputs(w.dataset),
    output:
        f"{DATA}/train.npy",
        f"{DATA}/test.npy",
        f"{DATA}/meta.json",
        f"{DATA}/{SUMS}",
        f"{PLAN.results}/labels/{{dataset}}/{{key}}.npz",
        f"{PLAN.results}/labels/{{dataset}}/{{key}}.npz.sha256",
    log:
        f"{LOGS}/prepare/{{dataset}}-{{key}}.log",
    conda:
        "envs/anomark.yaml"
    shell:
        'python -m anomark.stages.job prepare "$ANOMARK_PLAN" {wildcards.dataset:q} 2>&1 | tee {log:q}'


rule prepare_features:
    output:
        file=f"{PLAN.results}/features/{{name}}.safetensors",
        seal=f"{PLAN.results}/features/{{name}}.safetensors.sha256",
    log:
        f"{LOGS}/features/{{name}}.log",
    conda:
        "envs/anomark.yaml"
    shell:
        'python -m anomark.stages.job features "$ANOMARK_PLAN" {output.file:q} 2>&1 | tee {log:q}'


rule map_features:
    # What f makes of a dataset, where several cells look at it.
    input:
        lambda w: PLAN.maps_inputs(f"{PLAN.results}/maps/{w.dataset}/{w.key}"),
    output:
        f"{PLAN.results}/maps/{{dataset}}/{{key}}/{SUMS}",
    log:
        f"{LOGS}/maps/{{dataset}}-{{key}}.log",
    conda:
        "envs/anomark.yaml"
    threads: PLAN.suite.threads
    shell:
        'python -m anomark.stages.job maps "$ANOMARK_PLAN" {output:q} 2>&1 | tee {log:q}'


rule fit_and_score:
    # A cell that is there needs no data, so copied or restored cells don't run again when their data is prepared anew.
    input:
        lambda w: PLAN.inputs(f"{w.dataset}/{w.method}/{w.cell}"),
    output:
        # Not removed before the job: another checkout that shares the cells may have stored them meanwhile.
        update(f"{CELL}/fit.json"),
        update(f"{CELL}/scores.npz"),
        update(f"{CELL}/{SUMS}"),
    log:
        f"{LOGS}/cells/{{dataset}}/{{method}}/{{cell}}.log",
    conda:
        "envs/anomark.yaml"
    threads: PLAN.suite.threads
    resources:
        mem_mb=int(PLAN.suite.limits.memory_gb * 1024),
        runtime=max(1, round(PLAN.suite.limits.seconds / 60)),
        gpu=int(PLAN.suite.device == "cuda"),
    shell:
        'python -m anomark.stages.job cell "$ANOMARK_PLAN"'
        " {wildcards.dataset:q}/{wildcards.method:q}/{wildcards.cell:q} 2>&1 | tee {log:q}"


rule sweep_settings:
    input:
        lambda w: PLAN.sweep_inputs(f"{SWEEPS}/{w.dataset}/{w.method}/{w.cell}.npz"),
    output:
        file=f"{SWEEPS}/{{dataset}}/{{method}}/{{cell}}.npz",
        seal=f"{SWEEPS}/{{dataset}}/{{method}}/{{cell}}.npz.sha256",
    log:
        f"{LOGS}/sweeps/{{dataset}}/{{method}}/{{cell}}.log",
    conda:
        "envs/anomark.yaml"
    threads: PLAN.suite.threads
    resources:
        mem_mb=int(PLAN.suite.limits.memory_gb * 1024),
        gpu=int(PLAN.suite.device == "cuda"),
    shell:
        'python -m anomark.stages.job sweep "$ANOMARK_PLAN" {output.file:q} 2>&1 | tee {log:q}'


rule evaluate_dataset:
    input:
        lambda w: [path for cell in PLAN.cells_of(w.dataset) for path in cell.outputs],
        lambda w: [sweep.path for sweep in PLAN.sweeps_of(w.dataset)],
        lambda w: f"{PLAN.data[w.dataset].folder}/meta.json",
        lambda w: PLAN.data[w.dataset].labels,
    output:
        f"{EVALUATION}/metrics.csv",
        f"{EVALUATION}/outcomes.csv",
        f"{EVALUATION}/sweep.csv",
        f"{EVALUATION}/summary.json",
        f"{EVALUATION}/{SUMS}",
    log:
        f"{LOGS}/evaluate/{{dataset}}.log",
    conda:
        "envs/anomark.yaml"
    params:
        folder=lambda w: EVALUATION.format(dataset=w.dataset),
        key=lambda w: PLAN.evaluation_key(w.dataset),
    shell:
        'python -m anomark.stages.job evaluate "$ANOMARK_PLAN" {wildcards.dataset:q} {params.folder:q} 2>&1 | tee {log:q}'


rule build_report:
    input:
        expand(
            f"{EVALUATION}/{{name}}",
            dataset=PLAN.data,
            name=["metrics.csv", "outcomes.csv", "sweep.csv", "summary.json"],
        ),
    output:
        report(
            f"{PLAN.report}/index.html",
            caption="anomark/report/captions/page.rst",
            category="Report",
            labels={"suite": PLAN.suite.suite, "content": "page"},
        ),
        # Folders, because a paper or a section of the report brings tables and figures of its own.
        report(
            directory(f"{PLAN.report}/tables"),
            patterns=["{table}.html"],
            caption="anomark/report/captions/tables.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        report(
            directory(f"{PLAN.report}/figures"),
            patterns=["{figure}.svg"],
            caption="anomark/report/captions/figures.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        f"{PLAN.report}/results.json",
        f"{PLAN.report}/{SUMS}",
        [f"{PLAN.folder}/{name}{end}" for name in TIDY for end in ("", ".sha256")],
    log:
        f"{LOGS}/report.log",
    conda:
        "envs/anomark.yaml"
    params:
        evaluation=lambda w: f"{PLAN.folder}/evaluation",
        suite=lambda w: f"{PLAN.folder}/suite.json",
        report=lambda w: PLAN.report,
        results=lambda w: PLAN.folder,
        key=PLAN.report_key(),
    shell:
        'python -m anomark.stages.job report "$ANOMARK_PLAN" {params.suite:q} {params.evaluation:q}'
        " {params.report:q} {params.results:q} 2>&1 | tee {log:q}"


rule check_outcomes:
    input:
        f"{PLAN.report}/index.html",
        coverage=f"{PLAN.folder}/coverage.csv",
        sweep=f"{PLAN.folder}/sweep.csv",
    output:
        file=f"{PLAN.folder}/verdict.txt",
        seal=f"{PLAN.folder}/verdict.txt.sha256",
    log:
        f"{LOGS}/verdict.log",
    conda:
        "envs/anomark.yaml"
    shell:
        'python -m anomark.stages.job verdict "$ANOMARK_PLAN" {input.coverage:q} {input.sweep:q} {output.file:q} 2>&1'
        " | tee {log:q}"
