"""Another Python like this one, as a process of ours."""

import subprocess
import sys
from pathlib import Path
from typing import IO

_PACKAGE = str(Path(__file__).resolve().parents[2])
_RUN = (
    "import sys; sys.path += [one for one in {path!r} if one not in sys.path]; "
    "from {module} import work; work{arguments!r}"
)


def find_path() -> list[str]:
    """Return where modules are looked for, in the order in which to look.

    What is no string in `sys.path` Python itself passes over.
    """
    return [*(str(one) for one in sys.path if isinstance(one, str)), _PACKAGE]


def start_python(
    module: str, arguments: tuple[str, ...], *, output: int, errors: IO[bytes]
) -> "subprocess.Popen[bytes]":
    """Start a process that calls `work` of a module; its standard input ends when this one does.

    It isn't started by multiprocessing: nothing of the user's script or notebook is run again
    in it. Its own modules come first, so that a user's `queue.py` beside a notebook isn't taken
    for Python's. Raises RuntimeError, in one sentence, where no process can be started.
    """
    if not sys.executable:
        raise RuntimeError(
            "this Python doesn't know where its own program is (sys.executable is empty), so "
            "it can't start another: use run_in_threads."
        )
    try:
        return subprocess.Popen(
            [
                *(sys.executable, "-P", "-c"),
                _RUN.format(path=find_path(), module=module, arguments=arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (FileNotFoundError, PermissionError) as error:
        raise RuntimeError(
            f"this Python's own program can't be started again ({error}): was its environment made "
            "anew? Restart the notebook's kernel, or use run_in_threads."
        ) from None
    except OSError as error:
        raise RuntimeError(say_no_room(error)) from None


def say_no_room(error: BaseException) -> str:
    """Say in one sentence that there is no room for so many processes, or for their pipes."""
    return (
        f"this machine has no room for one more process ({error}): give fewer activities, or use "
        "run_in_threads."
    )
