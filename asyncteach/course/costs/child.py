"""A child process that measures: what it runs, what it tells, and how it surely ends.

It tells its parent in lines of JSON on stdout. Its stdin is a leash: it ends when the parent does.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

JOBS = {  # name: (its module here, whether all of it is to be on one processor)
    "switching": ("switching", True),
    "starting": ("starting", True),
    "sharing": ("sharing", False),
    "lateness": ("lateness", False),
    "holding": ("holding", False),
}


class Tell(Protocol):
    """Sends one finding to the parent: "sample", "left out" or "fact", and what belongs to it."""

    def __call__(self, what: str, /, *values: Any) -> None: ...


def main() -> None:
    """Do the job that is named on the command line, then end with all that was started for it."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends us
    out = os.dup(1)
    os.dup2(2, 1)  # nothing else may come between the lines
    threading.Thread(target=_watch_leash, daemon=True).start()
    module, on_one = JOBS[name]
    if on_one:
        options["on_one"] = stay_on_one_processor()
        tell(out, "fact", "one processor", options["on_one"])
    measure: Callable[..., None] = import_module(f"asyncteach.course.costs.{module}").measure
    measure(lambda *finding: tell(out, *finding), **options)
    tell(out, "done")
    end_all()


def tell(out: int, *finding: Any) -> None:
    """Write a finding as a line, at once: what was told is kept if this process dies."""
    os.write(out, json.dumps(finding).encode() + b"\n")


def stay_on_one_processor() -> bool:
    """Keep this process and what it starts on one processor, if the system can be asked to.

    A hand-off then really switches. Between two processors it takes longer or shorter, by a factor
    of up to ten, as the system happens to place both sides.
    """
    try:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    except (AttributeError, OSError):  # macOS and Windows have no such call
        return False
    return True


def _watch_leash() -> None:
    while os.read(0, 1):
        pass
    end_all()


def end_all() -> None:
    """End this process at once, and on POSIX every process that it has started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
