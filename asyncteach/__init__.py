"""See why async is faster: asyncio made visible with chores, leisure and timelines."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncteach.activities import (
        CHORES,
        LEISURE,
        Activity,
        async_task,
        chore,
        leisure,
        sync_task,
    )
    from asyncteach.checks.check import Check, check
    from asyncteach.comparison import compare
    from asyncteach.course.costs.measure_costs import measure_costs
    from asyncteach.course.grading import check_answer
    from asyncteach.course.progress import show_progress
    from asyncteach.course.server.behaviour import make_site
    from asyncteach.course.server.slow_server import slow_server
    from asyncteach.dask import run_on_dask
    from asyncteach.explorer import explore
    from asyncteach.interleavings import every_order
    from asyncteach.notebook.asyncio_run import disable_asyncio_run, enable_asyncio_run
    from asyncteach.player import replay
    from asyncteach.prediction.predict import predict
    from asyncteach.recorder.record import record
    from asyncteach.recording import Recording
    from asyncteach.runners.run import (
        run_in_interpreters,
        run_in_processes,
        run_in_threads,
        run_in_turn,
        run_together,
    )
    from asyncteach.thread_recorder.record_threads import record_threads
    from asyncteach.timeline.figure import draw_timelines, plot_timeline
    from asyncteach.virtual_clock.virtual_time import virtual_time

__version__ = "0.1.0"

__all__ = [
    "CHORES",
    "LEISURE",
    "Activity",
    "Check",
    "Recording",
    "async_task",
    "check",
    "check_answer",
    "chore",
    "compare",
    "disable_asyncio_run",
    "draw_timelines",
    "enable_asyncio_run",
    "every_order",
    "explore",
    "leisure",
    "make_site",
    "measure_costs",
    "plot_timeline",
    "predict",
    "record",
    "record_threads",
    "replay",
    "run_in_interpreters",
    "run_in_processes",
    "run_in_threads",
    "run_in_turn",
    "run_on_dask",
    "run_together",
    "show_progress",
    "slow_server",
    "sync_task",
    "virtual_time",
]

_HOMES = {
    "activities": ("CHORES", "LEISURE", "Activity", "async_task", "chore", "leisure", "sync_task"),
    "course.grading": ("check_answer",),
    "checks.check": ("Check", "check"),
    "virtual_clock.virtual_time": ("virtual_time",),
    "dask": ("run_on_dask",),
    "comparison": ("compare",),
    "course.costs.measure_costs": ("measure_costs",),
    "explorer": ("explore",),
    "interleavings": ("every_order",),
    "notebook.asyncio_run": ("disable_asyncio_run", "enable_asyncio_run"),
    "notebook.magic": ("load_ipython_extension", "unload_ipython_extension"),
    "player": ("replay",),
    "prediction.predict": ("predict",),
    "course.progress": ("show_progress",),
    "recorder.record": ("record",),
    "recording": ("Recording",),
    "runners.run": (
        "run_in_interpreters",
        "run_in_processes",
        "run_in_threads",
        "run_in_turn",
        "run_together",
    ),
    "course.server.behaviour": ("make_site",),
    "course.server.slow_server": ("slow_server",),
    "thread_recorder.record_threads": ("record_threads",),
    "timeline.figure": ("draw_timelines", "plot_timeline"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the drawing alone takes a second to load."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"asyncteach.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
