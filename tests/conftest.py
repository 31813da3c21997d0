"""What holds for all tests."""

import signal

import pytest


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
