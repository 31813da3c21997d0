"""What learners get wrong most, as they would write it: found, named and mended; and innocents.

A program's line with the comment HERE is the one that the finding has to name. About its mended
twin, and about every innocent program, nothing may be said.
"""

import asyncio
import gc
import os
import runpy
import warnings
from pathlib import Path

import pytest

from asyncteach.recorder.record import record

PROGRAMS = Path(__file__).parent / "programs"
IN_NOTEBOOKS = ("01", "14")

# What explain() has to say about each: numbers stand in the finding.
SENTENCES = {
    "01": ("asyncio-run-inside-loop", "while another one was already running", "`await main()`"),
    "02": ("blocked-loop", "fetch() held the loop three times", "`await asyncio.sleep(...)`"),
    "03": ("one-after-another", "These three awaits in main()", "together they could take"),
    "04": ("never-awaited", "save() was called", "`await save(...)`"),
    "05": ("blocked-loop", "add_up() held the loop", "Awaiting add_up() never gives the loop back"),
    "06": ("siblings-ran-on", "ValueError: sold out", "gather() doesn't cancel the others"),
    "07": ("unbounded", "connections were open at once", "asyncio.Semaphore"),
    "08": ("cancellation-swallowed", "watch swallowed its cancellation", "`raise`"),
    "09": ("thread-outlived-timeout", "download was still at work", "ends the wait, not"),
    "10": ("task-lost", "send_mail was started", "cancelled when main returned"),
    "11": ("wrong-thread", "`done.set()` ran in another thread", "call_soon_threadsafe"),
    "12": ("blocked-loop", "count_primes() held the loop three times", "process pool"),
    "13": ("blocked-loop", "read() held the loop", "Files can't be awaited"),
    "14": ("left-running", "tick was started", "cancel it and then await it"),
}


def run_recorded(path, **options):
    """Run a program in a recording: as a script, or as a cell in which a loop is running."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asyncio warns of some of the mistakes itself
        if path.name.startswith(IN_NOTEBOOKS):
            return asyncio.run(run_in_cell(path, options))
        with record(**options) as recording:
            runpy.run_path(str(path), run_name="__main__")
            gc.collect()
        return recording


async def run_in_cell(path, options):
    if path.stem == "01_asyncio_run_in_a_notebook":
        with pytest.raises(RuntimeError, match="running event loop"), record() as recording:
            runpy.run_path(str(path), run_name="__main__")
        return recording
    with record(**options) as recording:
        await runpy.run_path(str(path))["main"]()
    return recording


def programs(*, mended):
    found = sorted(PROGRAMS.glob("[0-9]*.py"))
    if not hasattr(os, "mkfifo"):  # no named pipes to play a slow disk
        found = [path for path in found if not path.name.startswith("13")]
    return [path for path in found if path.stem.endswith("_mended") == mended]


def test_each_mistake_has_a_program_and_its_mended_twin():
    broken = [path.stem for path in programs(mended=False)]
    assert {stem[:2] for stem in broken} <= set(SENTENCES)
    assert [f"{stem}_mended" for stem in broken] == [p.stem for p in programs(mended=True)]


@pytest.mark.parametrize("path", programs(mended=False), ids=lambda path: path.stem)
def test_a_mistake_is_found_at_its_line_and_explained(path):
    kind, *sentences = SENTENCES[path.name[:2]]
    recording = run_recorded(path)
    findings = recording.findings
    assert [finding.kind for finding in findings] == [kind]
    lines = path.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.endswith("# HERE"))
    assert (findings[0].file, findings[0].line) == (str(path), line)
    said = recording.explain()
    assert not [sentence for sentence in sentences if sentence not in said]


@pytest.mark.parametrize("path", programs(mended=True), ids=lambda path: path.stem)
def test_about_what_is_mended_nothing_is_said(path):
    recording = run_recorded(path, threshold=0.15)
    assert recording.findings == []


@pytest.fixture(autouse=True, scope="module")
def few_objects():
    """Collecting the garbage of all that the tests hold takes long, and it holds the loop."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


INNOCENTS = runpy.run_path(str(PROGRAMS / "innocents.py"))["INNOCENTS"]


@pytest.mark.parametrize("innocent", INNOCENTS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("in_cell", [False, True], ids=["script", "cell"])
def test_innocent_code_is_not_accused(innocent, in_cell):
    # Five seconds: on a busy machine any step may take a while.
    async def cell():
        with record(threshold=5) as recording:
            await innocent()
        return recording

    if in_cell:
        assert asyncio.run(cell()).findings == []
        return
    with record(threshold=5) as recording:
        asyncio.run(innocent())
    assert recording.findings == []
    assert len(recording.explain().splitlines()) == 3
