"""What the machine has to offer to threads and processes."""

import math
import os
import sys
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Return how many processor cores this process may use at once.

    They can be fewer than the machine has: a container's share of them counts, as on Binder.
    """
    if hasattr(os, "process_cpu_count"):
        cores = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such file, or no limit: "max 100000"
        pass
    return max(1, cores)


def has_gil() -> bool:
    """Tell if threads take turns at running Python code, as they do but on free-threaded builds."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()
