"""What an async function of ours gives back: a coroutine that coaches whoever forgets to await."""

from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


class Awaitable(Coroutine[Any, Any, Result]):
    """A coroutine that says what is missing when it is taken for its result, a `name`."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, Result], call: str, name: str = "recording"
    ) -> None:
        # The name that "was never awaited" shows is the one that was called.
        names: Any = coroutine
        names.__name__ = names.__qualname__ = call.partition("(")[0]
        self._coroutine = coroutine
        self._call = call
        self._name = name

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Result]:
        return self._coroutine.__await__()

    def __repr__(self) -> str:
        return f"<{self._call} has not been awaited: write `await {self._call}`>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_", "gi_")):
            return getattr(self._coroutine, name)
        raise AttributeError(
            f"{self._call} gives a coroutine, which has no {name!r} yet: "
            f"write `{self._name} = await {self._call}`, then `{self._name}.{name}`."
        )
