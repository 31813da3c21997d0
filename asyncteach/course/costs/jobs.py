"""Jobs: a fresh process for each, what it told, and its end, whatever happens."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_ROOT = str(Path(__file__).resolve().parents[3])

# Last in the path: what is installed beside us must not take the place of Python's own modules.
_CODE = """
import sys
sys.path.append(sys.argv.pop())
from asyncteach.course.costs.child import main
main()
"""


class Told(NamedTuple):
    """What a job has told, finding by finding, and why it didn't come to its end, if it didn't."""

    findings: list[list[Any]]
    failure: str | None


def run_job(name: str, options: Mapping[str, object], timeout: float) -> Told:
    """Run a job in a process of its own for at most so many seconds, and return what it told.

    It works in a script, in a notebook and in what is piped into Python, and leaves no process
    behind: not after an interrupt, nor if this process is killed.
    """
    # Without the learner's environment, folder and site: whatever is set up there costs time.
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _CODE]
    leash, end = os.pipe()
    with open(leash, "rb") as stdin, open(end, "wb"):
        try:
            child = subprocess.Popen(
                [*command, name, json.dumps(options), _ROOT],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Told([], f"this machine can't start a Python process for it: {error}")
        with child:
            try:
                out, err = child.communicate(timeout=timeout)
                late = False
            except subprocess.TimeoutExpired:
                _end(child)
                out, err = child.communicate()
                late = True
            except BaseException:
                _end(child)
                raise
    return _read(out, err, late, child.returncode, timeout)


def _read(out: bytes, err: bytes, late: bool, code: int, timeout: float) -> Told:
    findings = []
    for line in out.splitlines(keepends=True):
        if line.endswith(b"\n"):  # of a process that was killed the last may be half a line
            findings.append(json.loads(line))
    if findings and findings[-1][0] == "done":
        return Told(findings[:-1], None)
    if late:
        return Told(findings, f"it wasn't done after {timeout:.0f} seconds and was stopped")
    words = err.decode(errors="replace").strip().splitlines()
    cause = words[-1] if words else f"exit code {code}"
    return Told(findings, f"the process that measured it ended early: {cause}")


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child and all that it has started; it hasn't been waited for, so its id is its own."""
    if child.poll() is None and hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
