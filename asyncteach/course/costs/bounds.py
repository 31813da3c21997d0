"""Bounds: what may be tried on this machine without being a burden to anyone."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from asyncteach.course.costs.amounts import say_bytes

NEEDS = {"task": 4e3, "thread": 40e3, "process": 20e6}
"""Bytes of memory to reckon with for each, the kernel's own share included."""

_STACK = 9e6  # of address space for each thread, unless the system says otherwise
_CGROUPS = Path("/sys/fs/cgroup")
_MEMORY_FILES = (  # in the second and in the first version of control groups
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def refuse(what: str, number: int) -> str | None:
    """Return why so many tasks, threads or processes are not tried here, or None if they may be.

    Of the memory that is free they may take a quarter, of the threads that are allowed a half.
    """
    needed, free = NEEDS[what] * number, free_memory()
    if math.isinf(free) and number > 1000:
        return "this system doesn't tell how much memory is free, so more than 1,000 are not tried"
    if needed > free / 4:
        return (
            f"they may take {say_bytes(needed)} of memory, which is more than a quarter of the "
            f"{say_bytes(free)} that are free"
        )
    if what != "thread":
        return None
    if number > (allowed := free_threads()) / 2:
        if not allowed:
            return "this machine allows no more threads, as far as it tells"
        return f"this machine allows {allowed:,.0f} more threads, and half of them are left free"
    if 2 * number + 1000 > (maps := _read_number("/proc/sys/vm/max_map_count")):
        return f"a process may have {maps:,.0f} memory areas here, and a thread takes two of them"
    if number * _STACK > (room := _limit("RLIMIT_AS")):
        return (
            f"a process may have {say_bytes(room)} of address space here, and a thread takes 8 MB"
        )
    return None


def free_memory() -> float:
    """Return how many bytes are free, by the machine's and by a container's reckoning."""
    return max(0.0, min([_available(), *_group_memory()]))


def free_threads() -> float:
    """Return how many more threads there may be, as far as the system tells."""
    threads = _running_threads()
    limits = [
        _read_number("/proc/sys/kernel/threads-max") - threads,
        _read_number("/proc/sys/kernel/pid_max") - threads,
        # The limit counts all threads of a user, which may be all that there are.
        _limit("RLIMIT_NPROC") - threads,
    ]
    for group in _groups("pids"):
        allowed = _read_number(group / "pids.max")
        limits.append(allowed - _read_number(group / "pids.current", 0))
    return max(0.0, min(limits))


def _available() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    amounts = dict(line.split(":", 1) for line in lines if ":" in line)
    return float(amounts["MemAvailable"].split()[0]) * 1024


def _group_memory() -> Iterator[float]:
    for group in _groups("memory"):
        for most, used in _MEMORY_FILES:
            allowed = _read_number(group / most)
            if not math.isinf(allowed):
                yield allowed - _read_number(group / used, 0)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of our control group and of those above it, in either version."""
    for line in _own_groups():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUPS / controllers if controllers else _CGROUPS
        # In a container the path may be that of the host, where only the root can be seen.
        for folder in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
            if folder == _CGROUPS.parent:
                break
            yield folder


def _own_groups() -> list[str]:
    try:
        return Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []


def _running_threads() -> float:
    try:
        return float(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0.0


def _read_number(path: Path | str, otherwise: float = math.inf) -> float:
    """Return the number in a file of the system; "max" and what isn't there is `otherwise`."""
    try:
        return float(Path(path).read_text())
    except (OSError, ValueError):
        return otherwise


def _limit(name: str) -> float:
    """Return a soft limit of this process, and infinity for none."""
    if sys.platform == "win32":
        return math.inf
    import resource

    try:
        soft, _ = resource.getrlimit(getattr(resource, name))
    except (AttributeError, OSError, ValueError):
        return math.inf
    return math.inf if soft == resource.RLIM_INFINITY else float(soft)
