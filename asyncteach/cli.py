"""The command line: open or copy the lessons, show the story and the costs in a terminal."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from asyncteach import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMANDS = {  # name: (the folder when none is given, what the command does)
    "lab": ("asyncteach-notebooks", "copy the notebooks, open JupyterLab (its options after --)"),
    "notebooks": (None, "only copy the notebooks"),
    "demo": (".", "run the story in the terminal and save its two figures"),
    "costs": (".", "measure what tasks, threads and processes cost here (under a minute)"),
    "progress": (".", "show which exercises of the lessons are solved"),
}


class Refusal(Exception):
    """A command can't be carried out: one sentence with the cause and the fix."""


def write_new(target: Path, content: bytes) -> bool:
    """Write a new file and return True; return False if the name is taken, even by a link."""
    try:
        file = target.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
    except BaseException:  # the next run would keep half a file as the user's own
        target.unlink()
        raise
    return True


def find_notebooks() -> Path:
    """Return the folder of the lessons: inside the installed package, or next to it in a clone."""
    package = Path(__file__).resolve().parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    fix = "install it again with `pip install --force-reinstall asyncteach`"
    raise Refusal(f"the lessons are missing from this installation: {fix}")


def copy_notebooks(target: Path) -> None:
    """Copy the lessons into `target` and print their names; existing files are kept."""
    kept, lessons = [], sorted(find_notebooks().glob("*.ipynb"))
    target.mkdir(parents=True, exist_ok=True)
    print(f"Your notebooks are in {target}")
    for lesson in lessons:
        if write_new(target / lesson.name, lesson.read_bytes()):
            print(f"  copied  {lesson.name}")
        else:
            kept.append(lesson.name)
    if kept:
        which = f"all {len(kept)}" if len(kept) == len(lessons) else ", ".join(kept)
        print(f"  kept    {which}: already there; existing files are never overwritten")


def lab_arguments(folder: Path, first: str, theirs: Sequence[str]) -> list[str]:
    """Return JupyterLab's arguments: our options, then the user's.

    Jupyter refuses an option that is given twice, so the user's option replaces ours.
    """
    options = [text.split("=")[0].lstrip("-") for text in theirs if text.startswith("-")]
    given = {name.rpartition(".")[2].replace("-", "_") for name in options}
    ours = []
    if given.isdisjoint({"ip", "sock"}):
        ours.append("--ServerApp.ip=127.0.0.1")
    if given.isdisjoint({"root_dir", "notebook_dir"}):
        ours.append(f"--ServerApp.root_dir={folder}")
        if "default_url" not in given:
            ours.append(f"--LabApp.default_url=/lab/tree/{quote(first)}")
    if "allow_root" not in given and getattr(os, "geteuid", lambda: None)() == 0:
        print("Running as root, as is usual in a container: a cell can change any file here.")
        ours.append("--allow-root")
    return [*ours, *theirs]


def launch_lab(arguments: list[str]) -> None:
    """Run JupyterLab in this process until it is stopped, so that no process is left behind."""
    # Use this environment's kernel, not one of the same name in the user's home folder.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    # Our defaults come last, so they override no setting of the user's. They keep JupyterLab from
    # asking about news on top of the first lesson.
    defaults = str(Path(__file__).resolve().parent / "jupyter")
    paths = [os.environ.get("JUPYTER_CONFIG_PATH", ""), defaults]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    importlib.import_module("jupyterlab.labapp").LabApp.launch_instance(argv=arguments)


def lab(folder: Path, theirs: Sequence[str]) -> None:
    """Copy the lessons into `folder` and open the first in JupyterLab."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise Refusal('JupyterLab is not installed here: type `pip install "asyncteach[lab]"`')
    copy_notebooks(folder)
    first = min(path.name for path in find_notebooks().glob("*.ipynb"))
    arguments = lab_arguments(folder, first, theirs)
    print("JupyterLab prints its address and runs until you press Ctrl-C twice.", flush=True)
    launch_lab(arguments)


def demo(folder: Path) -> None:
    """Print how async changes chores and leisure, and save a figure of each in `folder`."""
    from asyncteach import CHORES, LEISURE, compare

    folder.mkdir(parents=True, exist_ok=True)
    for name, activities, meaning in (
        ("chores", CHORES, "The machines work side by side: {:g} minutes in turn, {:g} together."),
        ("leisure", LEISURE, "You do every minute yourself: {:g} in turn, still {:g} together."),
    ):
        comparison = compare(activities, ways=["in turn", "together"], clock="virtual")
        minutes = comparison["minutes"]
        print(f"{name.capitalize()}\n{comparison}")
        print(meaning.format(minutes["in turn"], minutes["together"]))
        print(f"The picture: {save_figure(folder, name, comparison.figure, 'demo')}\n")
    print("Async saves the time that you would only spend waiting. Try it: asyncteach lab")


def costs(folder: Path) -> None:
    """Print what tasks, threads and processes cost here, and save the figure in `folder`."""
    from asyncteach import measure_costs

    folder.mkdir(parents=True, exist_ok=True)
    print("Measuring for about half a minute.", file=sys.stderr)
    measured = measure_costs()
    print(f"{measured}\n")
    print(f"The picture: {save_figure(folder, 'costs', measured.figure, 'measurement')}")


def save_figure(folder: Path, name: str, figure: Figure, source: str) -> str:
    """Save a figure in place of an earlier one of ours, never of another file; return its path.

    The `source`, a demo or a measurement, is written into the file to recognise it later.
    """
    mark = f"asyncteach {source}"
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=200, metadata={"Software": mark})
    path, number, note = folder / f"{name}.png", 1, ""
    while not write_new(path, png.getvalue()):
        if path.is_file() and mark.encode() in path.read_bytes():
            path.unlink()
            note = f" (in place of an earlier {source}'s)"
        else:
            number += 1
            path = folder / f"{name}-{number}.png"
    return f"{path}{note}"


def progress(folder: Path) -> None:
    """Print which exercises of the lessons in `folder` are solved."""
    from asyncteach.course.progress import describe_folder

    if not folder.is_dir():
        raise Refusal(f"{folder} isn't a folder: name the one with your notebooks")
    try:
        print(describe_folder(folder))
    except ValueError as error:
        raise Refusal(str(error)) from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(
            2, f"asyncteach: {message}; `{self.prog} --help` shows the commands and options\n"
        )


def _parser() -> _Parser:
    parser = _Parser(prog="asyncteach", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"asyncteach {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (default, about) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        where = f"the folder (default: {default})" if default else "the folder"
        count = "?" if default else None
        command.add_argument("folder", metavar="FOLDER", nargs=count, default=default, help=where)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 after a sentence about the problem."""
    typed = list(sys.argv[1:] if argv is None else argv)
    end = typed.index("--") if "--" in typed else len(typed)
    theirs = typed[end + 1 :]
    parser = _parser()
    options, unknown = parser.parse_known_args(typed[:end])
    if options.command is None and not unknown:
        parser.print_help()
        return 0
    if stray := unknown or (theirs if options.command != "lab" else []):
        fix = "JupyterLab's options go after --, as in `asyncteach lab -- --port=9999`"
        if not stray[0].startswith("-"):
            fix = "put a folder name that contains a space in quotes"
        parser.error(f"unexpected argument {stray[0]}: {fix}")
    if not options.folder:
        parser.error("FOLDER is empty: name one, such as `my-notebooks`")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a folder's name may not fit its encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    folder = Path(os.path.abspath(os.path.expanduser(options.folder)))
    try:
        if options.command == "lab":
            lab(folder, theirs)
        else:
            does = {"notebooks": copy_notebooks, "demo": demo, "costs": costs, "progress": progress}
            does[options.command](folder)
    except OSError as error:
        cause = f"cannot write {error.filename or folder} ({error.strerror})"
        print(f"asyncteach: {cause}: name a folder that you can write to", file=sys.stderr)
        return 1
    except (Refusal, ImportError) as error:
        print(f"asyncteach: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
