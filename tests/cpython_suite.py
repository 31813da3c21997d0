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

Outcomes = dict[str, str]


class Outcome(unittest.TestResult):
    """Keeps what became of each test, and of each subtest that failed."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: Outcomes = {}
        self.reports: dict[str, str] = {}

    def _keep(self, test: unittest.TestCase, outcome: str, report: str = "") -> None:
        self.outcomes[test.id()] = outcome
        self.reports[test.id()] = report

    def addSuccess(self, test):
        super().addSuccess(test)
        if test.id() not in self.outcomes:
            self._keep(test, "ok")

    def addError(self, test, err):
        super().addError(test, err)
        self._keep(test, f"error: {err[0].__name__}", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._keep(test, "failure", self.failures[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._keep(test, "skipped")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._keep(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._keep(test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._keep(subtest, f"subtest: {err[0].__name__}")
            self._keep(test, "failure")


def available(modules: tuple[str, ...] = MODULES) -> list[str]:
    """Return those of the modules that this Python has."""
    found = []
    for module in modules:
        with contextlib.suppress(ImportError):
            if importlib.util.find_spec(f"test.test_asyncio.{module}"):
                found.append(module)
    return found


def run_tests(module: str) -> Outcome:
    """Run the tests of one module in this process."""
    result = Outcome()
    result.buffer = True
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
    with contextlib.redirect_stderr(io.StringIO()):
        suite.run(result)
    return result


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
            patch = registry.attach(loop, session)
            patch.scope_of = lambda _: session  # tasks of any context

        # One loop is watched all the time, so that no test finds a thread that came during it.
        keeper = asyncio.SelectorEventLoop()
        watch(keeper)
        kinds = (asyncio.SelectorEventLoop, test_utils.TestLoop)
        before = {}

        def watched(init):
            def __init__(self, *args, **kwargs):
                init(self, *args, **kwargs)
                watch(self)

            return __init__

        for kind in kinds:
            before[kind] = kind.__init__
            kind.__init__ = watched(kind.__init__)
        try:
            yield recording
        finally:
            for kind, init in before.items():
                kind.__init__ = init
            keeper.close()


def run_here(module: str, *, recorded: bool) -> dict[str, object]:
    """Run one module and return the outcomes, the reports of failures and what was recorded."""
    warnings.simplefilter("ignore")
    # What a shell starts in the background ignores interrupts: some tests send themselves one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not recorded:
        result = run_tests(module)
        return {"outcomes": result.outcomes, "reports": result.reports}
    with recorder_on_every_loop() as recording:
        result = run_tests(module)
    trace = recording.trace
    return {
        "outcomes": result.outcomes,
        "reports": result.reports,
        "tasks": sum(row.kind == "task" for row in trace.rows),
        "slices": len(trace.slices),
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
        expected, got = plain["outcomes"], recorded["outcomes"]
        differences += [f"{module}: the recorder gave up: {text}" for text in recorded["gave up"]]
        for test in sorted({*expected, *got} - NOT_COMPARED):
            before, after = expected.get(test, "not run"), got.get(test, "not run")
            if before != after:
                report = recorded["reports"].get(test, "")[-1500:]
                differences.append(f"{test}: plain {before}, recorded {after}\n{report}")
        tests += len({*got} - NOT_COMPARED)
        tasks += recorded["tasks"]
        if show:
            kinds = Counter(outcome.partition(":")[0] for outcome in got.values())
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
