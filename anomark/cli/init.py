"""`anomark init`: from a folder of one's own to a suite that runs."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from anomark.contracts import AnomarkError
from anomark.start.example import Example
from anomark.suite.dropins import ROOT


def init(
    path: Annotated[Path, typer.Argument(help="A folder of photographs, recordings or tables, or one table.")],
    name: Annotated[str, typer.Option(help="Name of the suite; that of the folder or file if none.")] = "",
    out: Annotated[Path | None, typer.Option(help="The YAML file; config/<name>.yaml if none.")] = None,
    kind: Annotated[str, typer.Option("--as", help="What it is, if misread: folder, clips, table or rows.")] = "",
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    example: Annotated[Example | None, typer.Option(help="Make a small example at the path first.")] = None,
) -> None:
    """Look at your own data, say what it is, and write the suite that gives a first answer on it."""
    from anomark.start import write
    from anomark.start.example import write as write_example
    from anomark.start.look import look, own_families, short

    new = None
    if kind and kind not in own_families():
        raise AnomarkError(f"--as {kind}: expected one of {', '.join(own_families())}")
    if example:
        path, new = write_example(example, path)
        print(f"An example lies in {path}, and new samples to score in {new}.\n")
    found = look(path, kind)
    name = name or write.suite_name(short(path.absolute().stem if path.is_file() else path.absolute().name))
    here = Path.cwd() == ROOT
    out = out or (Path("config") if here else Path()) / f"{name}.yaml"
    place = [] if here else ["--snakefile", str(ROOT / "Snakefile")]
    command = shlex.join([_program("snakemake"), *place, "--cores", "all", "--configfile", str(out)])
    content = write.compose(found, name)
    write.save(out, content, write.text(content, found, command), force)
    for each in found:
        print(f"{each.dataset}: {each.path}")
        print("".join(f"  {said}\n" for said in each.said), end="")
    score = [_program("anomark"), "score", f"<method>@{found[0].dataset}", str(new or "<new files>")]
    print(
        f"\nWrote {out}. Next:\n"
        f"  {command}\n"
        f"  open reports/{name}/index.html\n"
        f"  {' '.join(part if '<' in part else shlex.quote(part) for part in score)}"
    )


def _program(name: str) -> str:
    """How the user calls a program of this installation: by its name where that finds it."""
    own = Path(sys.executable).parent / name
    if (found := shutil.which(name)) and Path(found).resolve() == own.resolve():
        return name
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)
