"""Replace attributes for a while, and put them back exactly as they were, in any order."""

import functools
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any


class _Link:
    """One replacement of an attribute, which may have others below and above it."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.original, self.was_own = getattr(owner, name, None), name in vars(owner)
        # Stays right when a replacement below this one is put back first.
        self.before = functools.partial(self.original) if callable(self.original) else None
        self.new: Any = None


_lock = threading.RLock()
_chains: dict[tuple[int, str], list[_Link]] = {}


class Replacements:
    """Attributes of modules, classes and objects, and global names, that are replaced together."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> Any:
        """Replace an attribute with `make(before)` and return the replacement.

        `before` does what the attribute did; it is None if there was no such attribute.
        """
        with _lock:
            link = _Link(owner, name)
            link.new = make(link.before)
            if type(link.new) is FunctionType and callable(link.original):
                functools.update_wrapper(link.new, link.original)
            # Noted first, so that undo() knows of it if this is interrupted.
            self._undo.append(functools.partial(_take_away, link))
            _chains.setdefault((id(owner), name), []).append(link)
            setattr(owner, name, link.new)
            return link.new

    def put_name(self, names: dict[str, Any], name: str, new: Any) -> None:
        """Replace a global name."""
        original = names[name]

        def undo() -> None:
            if names.get(name) is new:
                names[name] = original

        self._undo.append(undo)
        names[name] = new

    def undo(self) -> None:
        """Put everything back, the last one first."""
        while self._undo:
            self._undo[-1]()
            self._undo.pop()


def _take_away(link: _Link) -> None:
    with _lock:
        chain = _chains.get((id(link.owner), link.name), [])
        place = chain.index(link) if link in chain else -1
        above = chain[place + 1] if 0 <= place < len(chain) - 1 else None
        if above is not None and above.original is link.new:
            # The one that was put there later goes on without ours below it.
            above.original, above.was_own = link.original, link.was_own
            above.before.__setstate__((link.original, (), {}, None))  # type: ignore[union-attr]
        elif vars(link.owner).get(link.name) is link.new:
            if link.was_own:
                setattr(link.owner, link.name, link.original)
            else:
                delattr(link.owner, link.name)
        # Otherwise other code has replaced ours meanwhile, and its attribute stays.
        if place >= 0:
            chain.remove(link)
        if not chain:
            _chains.pop((id(link.owner), link.name), None)


def start_thread(start: Callable[[Any], None], thread: Any, run: Callable[[], None]) -> None:
    """Start a thread that calls `run` in place of its own method, which it gets back then.

    It gets the method back, too, if it can't be started.
    """
    replaced = Replacements()

    def run_instead() -> None:
        replaced.undo()
        try:
            run()
        except BaseException as error:
            hide_frame(error)
            raise

    replaced.put(thread, "run", lambda _: run_instead)
    try:
        start(thread)
    except BaseException:
        replaced.undo()
        raise


def hide_frame(error: BaseException) -> None:
    """Remove the calling function from the traceback."""
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
