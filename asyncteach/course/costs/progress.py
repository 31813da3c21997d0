"""A line of progress in a terminal, while the costs are measured."""

import sys

from asyncteach.course.costs.measure_costs import Costs, make_costs

SECONDS, MOST = 30, 10_000


def measure_aloud() -> Costs:
    """Measure, and say meanwhile on stderr what is being done if that is a terminal."""
    if not sys.stderr.isatty():
        return make_costs(SECONDS, MOST, lambda doing: None)
    print("Measuring for about half a minute.", file=sys.stderr)
    try:
        return make_costs(SECONDS, MOST, _tell)
    finally:
        _write("")


def _tell(doing: str) -> None:
    _write(f"  measuring {doing} ...")


def _write(text: str) -> None:
    # Blanks wipe out what stood there: not every terminal understands more than a return.
    print(f"\r{text:60}", end="" if text else "\r", file=sys.stderr, flush=True)
