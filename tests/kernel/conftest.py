"""A kernel for the tests of recordings."""

import pytest

from .harness import live_kernel
from .watching import BEFORE


@pytest.fixture(scope="module")
def recorded_kernel():
    """One kernel for all tests of a module."""
    with live_kernel() as kernel:
        run = kernel.run(BEFORE)
        assert run.status == "ok", run.error
        yield kernel


@pytest.fixture
def kernel(recorded_kernel):
    """That kernel; after each test its loop has what it had, and no recorder runs."""
    yield recorded_kernel
    run = recorded_kernel.run("print(touched() == before)")
    assert run.stdout == "True\n", run.error
