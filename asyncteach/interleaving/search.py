"""Which order comes next, until all have come."""

MOST_CHOICES = 200
"""Turns in one order for which there are several tasks: with more there is no end of orders."""


class Search:
    """Which task comes next at each turn, so that no order comes twice and none is left out."""

    def __init__(self) -> None:
        self._path: list[int] = []
        self._seen: list[tuple[str, ...]] = []
        self._depth = 0
        self.goes_on = True

    def choose(self, names: tuple[str, ...]) -> int:
        """Return the place of the one whose turn it is, among all that could go on."""
        if self._depth == MOST_CHOICES:
            raise RuntimeError(
                f"one order had more than {MOST_CHOICES} turns for which there were several tasks, "
                "so there is no end of orders: if a task looks again and again, as in `while busy: "
                "await asyncio.sleep(1)`, let it wait for an event or a lock instead"
            )
        if self._depth == len(self._path):
            self._path.append(0)
            self._seen.append(names)
        elif self._seen[self._depth] != names:
            raise RuntimeError(
                "the program did something else when it was run again: let it make all that its "
                "tasks share anew each time, and draw no random numbers"
            )
        self._depth += 1
        return self._path[self._depth - 1]

    def turn_over(self) -> None:
        """Go back to the last turn at which there is somebody who hasn't been tried."""
        while self._path and self._path[-1] + 1 == len(self._seen[-1]):
            self._path.pop()
            self._seen.pop()
        self._depth = 0
        self.goes_on = bool(self._path)
        if self._path:
            self._path[-1] += 1
