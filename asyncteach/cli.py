"""The command line: the lessons in JupyterLab or as a copy, story and costs in a terminal."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from asyncteach import __version__
from asyncteach.files import Refusal, make_folder, save_figure, write_new

FIGURE_MARK = "asyncteach "  # written into our figures, so that nobody else's is replaced
COMMANDS = {  # name: (the folder when none is given, what the command does)
    "lab": ("asyncteach-notebooks", "copy the notebooks, open JupyterLab (its options after --)"),
    "notebooks": (None, "only copy the notebooks"),
    "demo": (".", "run the story in the terminal and save its two figures"),
    "costs": (".", "measure what tasks, threads and processes cost here: under a minute"),
    "progress": (".", "show which exercises of the lessons are solved"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"asyncteach: {message}; `{self.prog} --help` shows what can be typed\n")


def find_notebooks() -> Path:
    """Return the folder of the lessons: in an installed package, or beside one under work."""
    package = Path(__file__).resolve().parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    fix = "install it again with `pip install --force-reinstall asyncteach`"
    raise Refusal(f"the lessons are missing from this installation: {fix}")


def lesson_files(source: Path, target: Path) -> list[Path]:
    """Return the lessons' files, relative to `source`, without hidden ones and caches."""
    # A target inside the source is left out, or every copy would hold the copies before it.
    inside = target.resolve() if source in target.resolve().parents else None
    names = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if path.is_file() and not hidden and inside not in path.parents:
            names.append(name)
    return names


def copy_notebooks(target: Path) -> None:
    """Copy the lessons into `target` and say which; whatever is there already is kept."""
    source = find_notebooks()
    make_folder(target)
    names = lesson_files(source, target)
    kept = [name for name in names if not _copy_new(source / name, target / name)]
    print(f"Your notebooks are in {target}")
    for name in (name for name in names if name not in kept):
        print(f"  copied  {name}")
    if kept:
        which = f"all {len(kept)}" if kept == names else ", ".join(map(str, kept))
        print(f"  kept    {which}: already there, and what is yours is never overwritten")


def _copy_new(source: Path, target: Path) -> bool:
    """Copy a file unless its name is taken, be it by a broken link; return whether it came."""
    make_folder(target.parent)
    return not os.path.lexists(target) and write_new(target, source.read_bytes())


def can_open_browser() -> bool:
    """Tell whether a browser opened from here would be seen: it needs a display, and no SSH."""
    named = os.environ.get("BROWSER")  # a remote editor names one that opens at the learner's end
    distant = os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY")
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not named and (distant or (sys.platform not in ("win32", "darwin") and not display)):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def lab_arguments(folder: Path, first: str, theirs: Sequence[str]) -> list[str]:
    """Return JupyterLab's arguments: ours, then the learner's, which take the place of ours.

    An option given twice is refused by Jupyter, so ours is left out where theirs is given.
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
    if given.isdisjoint({"no_browser", "browser", "open_browser"}) and not can_open_browser():
        print("No browser can open here: open the address below in a browser yourself.")
        ours.append("--no-browser")
    if "allow_root" not in given and getattr(os, "geteuid", lambda: None)() == 0:
        print("Running as root, as is usual in a container: a cell may change any file here.")
        ours.append("--allow-root")
    return [*ours, *theirs]


def launch_lab(arguments: list[str]) -> None:
    """Run JupyterLab in this very process until it is stopped, so that none is left behind."""
    # The kernel is this environment's, not one of the same name in the learner's home folder.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
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
    """Print what async does for chores and for leisure, and save a figure of each in `folder`."""
    from asyncteach import CHORES, LEISURE, compare

    make_folder(folder)
    for name, activities, meaning in (
        ("chores", CHORES, "The machines work side by side: {:g} minutes in turn, {:g} together."),
        ("leisure", LEISURE, "You do every minute yourself: {:g} in turn, still {:g} together."),
    ):
        comparison = compare(activities, ways=["in turn", "together"], clock="virtual")
        minutes = comparison["minutes"]
        print(f"{name.capitalize()}\n{comparison}")
        print(meaning.format(minutes["in turn"], minutes["together"]))
        print(f"The picture: {save_figure(folder, name, comparison.figure, 'demo')}\n")
    print("Async saves the time that you would only have waited. Try it yourself: asyncteach lab")


def costs(folder: Path) -> None:
    """Print what tasks, threads and processes cost here, and save the figure in `folder`."""
    from asyncteach.course.costs.progress import measure_aloud

    make_folder(folder)
    measured = measure_aloud()
    print(f"{measured}\n")
    print(f"The picture: {save_figure(folder, 'costs', measured.figure, 'measurement')}")


def progress(folder: Path) -> None:
    """Print which exercises are solved, as the lessons in `folder` have kept it."""
    from asyncteach.course.progress import print_progress

    print_progress(folder)


def _parser() -> _Parser:
    parser = _Parser(prog="asyncteach", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"asyncteach {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (default, about) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        where = f"where to (default: {default})" if default else "where to"
        count = "?" if default else None
        command.add_argument("folder", metavar="FOLDER", nargs=count, default=default, help=where)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 after one sentence on what went wrong."""
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
            fix = "a folder's name with a space in it goes between quotes"
        parser.error(f"{stray[0]} is too much here: {fix}")
    if not options.folder:
        parser.error("FOLDER is empty: name one, such as `my-notebooks`")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a folder's name may not fit the terminal's
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        folder = Path(os.path.abspath(os.path.expanduser(options.folder)))
        if options.command == "lab":
            lab(folder, theirs)
        else:
            does = {"notebooks": copy_notebooks, "demo": demo, "costs": costs, "progress": progress}
            does[options.command](folder)
    except (Refusal, OSError) as refusal:
        print(f"asyncteach: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
