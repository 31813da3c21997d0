"""Holding: the memory that waiting tasks and threads and an idle process take."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

from asyncteach.course.costs.child import Tell

KINDS = ("memory", "address space")  # resident, and what is only reserved
_IDLE = "print(flush=True); input()"


def measure(tell: Tell, what: str, number: int) -> None:
    """Tell the kilobytes (1,000 bytes) that each of so many takes."""
    try:
        {"task": _hold_tasks, "thread": _hold_threads, "process": _hold_process}[what](tell, number)
    except (RuntimeError, OSError, MemoryError) as error:
        why = f"this machine refused: {error or type(error).__name__}"
        for kind in KINDS:
            tell("left out", kind, what, number, why)


def read_memory(process: str = "self") -> dict[str, float] | None:
    """Return what a process has of each kind in kilobytes, as far as the system tells."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return _read_peak() if process == "self" else {}
    amounts = dict(line.split(":", 1) for line in lines if ":" in line)
    names = zip(KINDS, ("VmRSS", "VmSize"), strict=True)
    return {kind: int(amounts[name].split()[0]) * 1.024 for kind, name in names}


def _read_peak() -> dict[str, float]:
    """Return the most that was ever resident: as memory only grows here, what is resident now."""
    try:
        import resource
    except ImportError:
        return {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS, else in 1,024
    return {KINDS[0]: peak / 1000 if sys.platform == "darwin" else peak * 1.024}


def _tell_growth(tell: Tell, what: str, number: int, before: dict[str, float] | None) -> None:
    after = read_memory() or {}
    for kind in KINDS:
        if before and kind in before and kind in after:
            tell("sample", kind, what, number, max(0.0, after[kind] - before[kind]) / number)
        else:
            tell("left out", kind, what, number, _UNTOLD)


_UNTOLD = "this system doesn't tell Python how much a process has of it"


def _hold_tasks(tell: Tell, number: int) -> None:
    async def hold() -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        first = [asyncio.create_task(hold()) for _ in range(100)]  # what is made only once
        await asyncio.sleep(0)
        before = read_memory()
        tasks = [asyncio.create_task(hold()) for _ in range(number)]
        await asyncio.sleep(0)
        _tell_growth(tell, what="task", number=number, before=before)
        for task in (*first, *tasks):
            task.cancel()

    asyncio.run(main())


def _hold_threads(tell: Tell, number: int) -> None:
    gate = threading.Lock()
    gate.acquire()
    for thread in range(number + 10):
        if thread == 10:  # with the first ones comes what is made only once
            before = read_memory()
        threading.Thread(target=gate.acquire, daemon=True).start()
    _tell_growth(tell, "thread", number, before)


def _hold_process(tell: Tell, number: int) -> None:
    assert number == 1
    command = [sys.executable, "-I", "-S", "-c", _IDLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None
        idle.stdout.readline()
        amounts = read_memory(str(idle.pid)) or {}
        idle.kill()
    for kind in KINDS:
        if kind in amounts:
            tell("sample", kind, "process", number, amounts[kind])
        else:
            tell("left out", kind, "process", number, _UNTOLD)
