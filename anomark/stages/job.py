"""One job of the workflow: `python -m anomark.stages.job <stage> <plan.json> <names of what to do>`.

An error is one sentence. What a stage finds damaged is made again before the stage goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.stages.heal import Healer, load_jobs

STAGES = ("prepare", "features", "maps", "cell", "sweep", "evaluate", "report", "verdict")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="anomark.stages.job", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("plan", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args(argv)
    try:
        jobs = load_jobs(args.plan)
        work = import_module(f"anomark.stages.{args.stage}").run  # some import heavy libraries, so this one alone
        Healer(jobs, args.plan.parent).run(lambda: work(jobs, *args.names))
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark {args.stage}: {sentence(error)}") from None


def sentence(error: AnomarkError | OSError) -> str:
    """What an error says to the user. The system's own, of a full disk or a folder that is closed, name no way out."""
    if isinstance(error, AnomarkError):
        return str(error)
    where, what = error.filename or Path.cwd(), error.strerror or error
    return f"{where}: {what}; free space or mend the permissions, and run again, which goes on where this run ended"


if __name__ == "__main__":
    main()
