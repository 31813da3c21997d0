"""The exercise of lesson 10: databases that block, each in a thread of its own."""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.exercises import exercise, grade_in_turn

ANSWER_TIME = 2


@exercise(
    "the tills",
    lesson=10,
    starter="""\
async def count_sales(open_till, names):
    counts = {}
    for name in names:
        database = open_till(name)
        row = database.execute("select count(*) from sales").fetchone()
        counts[name] = row[0]
        database.close()
    return counts
""",
    stronger="One plain function opens a till, asks it and closes it in a `finally`; a thread "
    "calls it for each till, and `gather` gives the numbers in the order of the names.",
)
async def grade_tills(count_sales: Any) -> Check:
    """Change `count_sales` so that all tills are asked at once and the loop is never held."""
    return await grade_in_turn(
        _ask(count_sales, {"front": 3, "back": 5, "door": 2}),
        _ask(count_sales, {"north": 1, "east": 0, "south": 7, "west": 4}),
    )


async def _ask(count_sales: Any, sales: Mapping[str, int]) -> Check:
    opened: list[_Till] = []
    # On Windows a file that a thread still has open can't be deleted.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name, count in sales.items():
            with contextlib.closing(sqlite3.connect(Path(folder, name))) as database:
                database.execute("create table sales (item)")
                database.executemany("insert into sales values (?)", [("tea",)] * count)
                database.commit()

        def open_till(name: str) -> sqlite3.Connection:
            path = Path(folder, name)
            if name not in sales:
                raise ValueError(f"there is no till {name!r}: the names are {', '.join(sales)}")
            opened.append(sqlite3.connect(path, factory=_Till))
            return opened[-1]

        names = list(sales)
        verdict = await check(
            lambda: count_sales(open_till, names), virtual=True, name="count_sales"
        )
    # What is still open is left to the garbage collector: a thread of a stopped answer may be
    # inside SQLite with it, and closing it here would crash the process.
    still_open = sum(not till.is_closed for till in opened)
    return (
        verdict.never_blocked(
            hint=f"Which call takes {ANSWER_TIME} seconds, and in which thread is it made?"
        )
        .result(dict(sales))
        .that(
            opened and not still_open,
            "every database that was opened is closed again",
            hint=f"Opened: {len(opened)}; still open: {still_open}.",
        )
        .took(seconds=ANSWER_TIME)
        .nothing_left_running()
    )


class _Cursor(sqlite3.Cursor):
    """A cursor whose answers take their time."""

    def execute(self, *args: Any) -> "_Cursor":
        time.sleep(ANSWER_TIME)
        super().execute(*args)
        return self


class _Till(sqlite3.Connection):
    """A connection for one thread, as SQLite's are, that knows whether it was closed."""

    is_closed = False

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    def close(self) -> None:
        super().close()
        self.is_closed = True
