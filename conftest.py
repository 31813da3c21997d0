"""What holds for all tests."""

import os
import signal

import pytest


def pytest_addoption(parser):
    """Add `--full`: what takes long and is rarely broken runs only with it."""
    parser.addoption("--full", action="store_true", help="run the tests marked full, too")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Share the whole suite between two processes; files that are named run in this one."""
    if hasattr(config, "workerinput"):  # this is one of the two
        return
    options = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if whole and getattr(options, "numprocesses", 0) is None and not options.usepdb:
        options.numprocesses, options.dist = 2, "loadfile"


def pytest_collection_modifyitems(config, items):
    """Leave out the tests marked full, unless they are asked for."""
    if config.getoption("--full"):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("full")]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Run the notebooks as their outputs were stored: a widget would have no kernel there."""
    if item.path.suffix == ".ipynb":
        os.environ["ASYNCTEACH_STATIC"] = "1"
    else:
        os.environ.pop("ASYNCTEACH_STATIC", None)


@pytest.fixture(autouse=True)
def _interrupts_arrive():
    """Let SIGINT be what it is in a terminal: jobs in the background are started to ignore it."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
