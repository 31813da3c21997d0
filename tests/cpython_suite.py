"""CPython's own asyncio tests, plain and with a recorder on every loop: the same outcome for each.

Run it with any Python that has `test.test_asyncio`: `python tests/cpython_suite.py`, or with the
names of some of its modules. It runs each module twice, in processes of their own, compares the
outcome of every single test, and counts the tasks that were recorded meanwhile.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import io
import json
import signal
import subprocess
import sys
import unittest
import warnings
from collections import Counter
from unittest.mock import patch

MODULES = (
    *("test_tasks", "test_eager_task_factory", "test_taskgroups", "test_locks", "test_queues"),
    *("test_timeouts", "test_futures", "test_futures2", "test_runners", "test_waitfor"),
    *("test_base_events", "test_selector_events", "test_streams", "test_subprocess"),
    *("test_context", "test_pep492", "test_staggered", "test_threads", "test_free_threading"),
)

NOT_COMPARED = {
    # It looks at how often a selector was asked that is a mock: a watched loop asks by its own.
    "test.test_asyncio.test_base_events.BaseEventLoopTests.test_run_forever_pre_stopped",
}


class Result(unittest.TestResult):
    """Keeps that a test was run; what became of it stands in the lists of a TestResult."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = True
        self.ran: list[str] = []

    def startTest(self, test):
        super().startTest(test)
        self.ran.append(test.id())

    def reports(self) -> dict[str, tuple[str, str]]:
        """Return the outcome of each test, and of each subtest that failed, with its traceback."""
        found = dict.fromkeys(self.ran, ("ok", ""))
        for test, report in (*self.errors, *self.failures):
            found[test.id()] = report.strip().rpartition("\n")[2].partition(":")[0], report
        found |= {test.id(): ("skipped", "") for test, _ in self.skipped}
        found |= {test.id(): ("expected failure", "") for test, _ in self.expectedFailures}
        return found | {test.id(): ("unexpected success", "") for test in self.unexpectedSuccesses}


def available(modules: tuple[str, ...] = MODULES) -> list[str]:
    """Return those of the modules that this Python has."""
    found = []
    for module in modules:
        with contextlib.suppress(ImportError):
            if importlib.util.find_spec(f"test.test_asyncio.{module}"):
                found.append(module)
    return found


def run_tests(module: str) -> dict[str, tuple[str, str]]:
    """Run the tests of one module in this process."""
    result = Result()
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
    with contextlib.redirect_stderr(io.StringIO()):
        suite.run(result)
    return result.reports()


@contextlib.contextmanager
def recorder_on_every_loop():
    """Record all tasks of all loops, from the moment when a loop is made."""
    from test.test_asyncio import utils as test_utils

    from asyncteach import record
    from asyncteach.recorder.record import registry

    recorder = record(max_slices=10**9)
    with recorder as recording:
        session = recorder._session

        def watch(loop):
            registry.attach(loop, session).scope_of = lambda _: session  # tasks of any context

        # One loop is watched all the time, so that no test finds a thread that came during it.
        keeper = asyncio.SelectorEventLoop()
        watch(keeper)

        def watched(init):
            def __init__(self, *args, **kwargs):
                init(self, *args, **kwargs)
                watch(self)

            return __init__

        with contextlib.closing(keeper), contextlib.ExitStack() as stack:
            for kind in (asyncio.SelectorEventLoop, test_utils.TestLoop):
                stack.enter_context(patch.object(kind, "__init__", watched(kind.__init__)))
            yield recording


def run_here(module: str, *, recorded: bool) -> dict[str, object]:
    """Run one module and return the outcomes, the reports of failures and what was recorded."""
    warnings.simplefilter("ignore")
    # What a shell starts in the background ignores interrupts: some tests send themselves one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not recorded:
        return {"reports": run_tests(module)}
    with recorder_on_every_loop() as recording:
        reports = run_tests(module)
    trace = recording.trace
    return {
        "reports": reports,
        "tasks": sum(row.kind == "task" for row in trace.rows),
        "gave up": [event.text for event in trace.events if event.kind == "recorder-failed"],
    }


def run_elsewhere(module: str, *, recorded: bool) -> dict[str, object]:
    """Run one module in a process of its own."""
    command = [sys.executable, __file__, "--child", module, *(["--recorded"] if recorded else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} has crashed: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(modules: list[str], *, show: bool = False) -> tuple[int, int, list[str]]:
    """Run modules plain and recorded: return the tests, the tasks seen and the differences."""
    tests = tasks = 0
    differences = []
    for module in modules:
        plain = run_elsewhere(module, recorded=False)
        recorded = run_elsewhere(module, recorded=True)
        expected, got = plain["reports"], recorded["reports"]
        differences += [f"{module}: the recorder gave up: {text}" for text in recorded["gave up"]]
        missing = ("not run", "")
        for test in sorted({*expected, *got} - NOT_COMPARED):
            (before, _), (after, report) = expected.get(test, missing), got.get(test, missing)
            if before != after:
                differences.append(f"{test}: plain {before}, recorded {after}\n{report[-1500:]}")
        tests += len({*got} - NOT_COMPARED)
        tasks += recorded["tasks"]
        if show:
            kinds = Counter(outcome for outcome, _ in got.values())
            said = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            print(f"{module:24} {recorded['tasks']:6,} tasks recorded; {said}", flush=True)
    return tests, tasks, differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="of test.test_asyncio, all that are known")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--recorded", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_here(options.child, recorded=options.recorded)))
        return 0
    modules = options.modules or available()
    if not modules:
        print("This Python comes without test.test_asyncio.")
        return 0
    tests, tasks, differences = compare(modules, show=True)
    print("\n".join(differences))
    print(
        f"{tests - len(differences):,} of {tests:,} tests had the same outcome with a recorder on "
        f"every loop, which saw {tasks:,} tasks (Python {sys.version.split()[0]})."
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
