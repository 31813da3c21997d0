"""CPython's own asyncio tests come out the same under a recorder; `cpython_suite.py` runs all."""

import pytest
from cpython_suite import available, compare

MODULES = available(
    (
        *("test_eager_task_factory", "test_taskgroups", "test_locks", "test_queues"),
        *("test_timeouts", "test_futures", "test_runners", "test_waitfor", "test_context"),
    )
)


@pytest.mark.full
@pytest.mark.skipif(not MODULES, reason="this Python comes without test.test_asyncio")
def test_every_test_of_cpython_has_the_same_outcome_under_a_recorder():
    tests, tasks, differences = compare(MODULES)
    assert not differences, "\n".join(differences)
    assert tests > 300
    assert tasks > 900
