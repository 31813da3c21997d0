"""A real kernel, driven as JupyterLab drives it: Run All sends every cell before any has run.

nbclient, nbmake and nbval send a cell only when the one before it is done, so they can't see
that a cell which waits behind another is lost.
"""

import json
import queue
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

# How long a hang may last before the test says so; nothing is measured against it.
TIMEOUT = 120.0

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="an interrupt is no signal there"
)


@dataclass
class CellRun:
    """What became of one cell; its status is "ok", "error", "aborted", or None: it was lost."""

    source: str
    status: str | None = None
    execution_count: int | None = None
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    error: Any = None
    """What it raised: `ename`, `evalue` and `traceback`."""

    @property
    def lost(self) -> bool:
        """A cell is lost when the kernel never answered it."""
        return self.status is None


class LiveKernel:
    """A kernel that is running, and what each cell sent to it has brought so far."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client
        self._runs: dict[str, CellRun] = {}
        self._idle: set[str] = set()

    def send(self, source: str, *, may_raise: bool = False, hidden: bool = False) -> str:
        """Queue a cell and return its message id; one that may raise doesn't stop the others.

        A hidden one isn't counted: the others keep the numbers that they would have without it.
        """
        message = self._client.execute(
            source, allow_stdin=False, stop_on_error=not may_raise, store_history=not hidden
        )
        self._runs[message] = CellRun(source)
        return message

    def run_all(
        self, sources: Sequence[str], *, may_raise: Collection[int] = (), timeout: float = TIMEOUT
    ) -> list[CellRun]:
        """Queue all the cells at once; wait until all have answered or the kernel is dead."""
        messages = [
            self.send(source, may_raise=index in may_raise) for index, source in enumerate(sources)
        ]
        self._wait(lambda: all(map(self._done, messages)), timeout)
        return [self._runs[message] for message in messages]

    def run(
        self, source: str, *, interrupt_at: str | None = None, timeout: float = TIMEOUT,
        hidden: bool = False,
    ) -> CellRun:  # fmt: skip
        """Run one cell; interrupt it as soon as it has printed the text ``interrupt_at``."""
        message = self.send(source, hidden=hidden)
        run = self._runs[message]
        if interrupt_at is not None:
            self._wait(lambda: interrupt_at in run.stdout or self._done(message), timeout)
            self.manager.interrupt_kernel()
        self._wait(lambda: self._done(message), timeout)
        return run

    def value(self, expression: str) -> str:
        """Return what an expression is, in a cell of its own."""
        run = self.run(expression)
        assert run.status == "ok", run.error
        return run.displays[0]["text/plain"]

    def wait_until_it_listens(self) -> None:
        """Wait for a whole round trip: output published before we are heard of is never sent."""
        deadline = time.monotonic() + TIMEOUT
        self._client.wait_for_ready(timeout=TIMEOUT)
        while time.monotonic() < deadline:
            message = self._client.execute("", silent=True)
            self._runs[message] = CellRun("")
            self._wait(lambda message=message: self._done(message), 2)
            if message in self._idle:
                return
        raise TimeoutError("the kernel is never idle")

    def _done(self, message: str) -> bool:
        return not self._runs[message].lost and message in self._idle

    def _wait(self, condition: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition() and time.monotonic() < deadline:
            if not self._receive(0.05) and not self.manager.is_alive():
                while self._receive(0):
                    pass
                return

    def _receive(self, wait: float) -> bool:
        """Take in one message of each channel; return whether there was any."""
        received = False
        with suppress(queue.Empty):
            self._take_output(self._client.get_iopub_msg(timeout=wait))
            received = True
        with suppress(queue.Empty):
            self._take_reply(self._client.get_shell_msg(timeout=0))
            received = True
        return received

    def _take_reply(self, message: dict[str, Any]) -> None:
        run = self._runs.get(message["parent_header"].get("msg_id", ""))
        content = message["content"]
        if run is not None and message["msg_type"] == "execute_reply":
            run.status = content["status"]
            run.execution_count = content.get("execution_count")
            if run.status == "error":
                run.error = run.error or _error(content)

    def _take_output(self, message: dict[str, Any]) -> None:
        parent = message["parent_header"].get("msg_id", "")
        run = self._runs.get(parent)
        kind, content = message["msg_type"], message["content"]
        if run is None:
            return
        if kind == "status" and content["execution_state"] == "idle":
            self._idle.add(parent)
        elif kind == "stream" and content["name"] == "stdout":
            run.stdout += content["text"]
        elif kind == "stream":
            run.stderr += content["text"]
        elif kind in {"display_data", "execute_result", "update_display_data"}:
            run.displays.append(content["data"])
        elif kind == "error":
            run.error = _error(content)


def _error(content: dict[str, Any]) -> SimpleNamespace:
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))
    return SimpleNamespace(ename=content["ename"], evalue=content["evalue"], traceback=text)


@contextmanager
def live_kernel(
    *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[LiveKernel]:
    """Start a kernel of the Python that runs the tests, and shut it down whatever happens."""
    manager = KernelManager(kernel_name="python3")
    # An installed kernel spec may name another Python.
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv = [
        *(sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher"),
        *("-f", "{connection_file}"),
    ]
    options = {"cwd": cwd and str(cwd), "env": env}
    manager.start_kernel(**{name: value for name, value in options.items() if value})
    try:
        client = manager.blocking_client()
        client.start_channels()
        kernel = LiveKernel(manager, client)
        kernel.wait_until_it_listens()
        yield kernel
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def run_all(sources: Sequence[str], *, may_raise: Collection[int] = ()) -> list[CellRun]:
    """Queue all the cells at once in a fresh kernel, and return what became of each."""
    with live_kernel() as kernel:
        return kernel.run_all(sources, may_raise=may_raise)


def cells_of(notebook: Path) -> dict[str, dict[str, Any]]:
    """Return the cells of a notebook by their ids."""
    return {cell["id"]: cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]}


def code_cells(notebook: Path) -> tuple[list[str], set[int]]:
    """Return the sources that Run All sends, and which of them are tagged as raising."""
    cells = [
        (source, "raises-exception" in cell.get("metadata", {}).get("tags", []))
        for cell in cells_of(notebook).values()
        # JupyterLab doesn't send blank cells.
        if cell["cell_type"] == "code" and (source := "".join(cell["source"])).strip()
    ]
    raising = {index for index, (_, raises) in enumerate(cells) if raises}
    return [source for source, _ in cells], raising


def faults(runs: Sequence[CellRun], must_raise: Collection[int] = ()) -> list[str]:
    """Return in sentences what is wrong with these runs of all the cells of a fresh kernel."""
    found = []
    for index, run in enumerate(runs):
        cell = f"cell {index + 1} ({run.source.strip().splitlines()[0]!r})"
        # IPython prints an ExceptionGroup to stderr and sends no error for it.
        has_group = "Exception Group Traceback" in run.stderr
        failed = run.error is not None or run.status == "error" or has_group
        if run.lost:
            found.append(f"{cell} was lost: the kernel never answered it")
        elif run.status == "aborted":
            found.append(f"{cell} never ran: a cell before it failed")
        elif failed and index not in must_raise:
            reason = run.error.traceback if run.error else ""
            found.append(f"{cell} failed:\n{reason or run.stderr}")
        elif index in must_raise and not failed:
            found.append(f"{cell} is tagged raises-exception and raised nothing")
        if not run.lost and run.status != "aborted" and run.execution_count != index + 1:
            found.append(f"{cell} has the execution count {run.execution_count}")
    return found
