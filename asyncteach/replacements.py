"""Attributes replaced for a while, and put back exactly as they were, in whatever order."""

import functools
import threading
from collections.abc import Callable
from typing import Any


class _Link:
    """One replacement of an attribute, which may have others below and above it."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.original, self.was_own = getattr(owner, name), name in vars(owner)
        self.before = functools.partial(self.original)
        self.new: Any = None


_lock = threading.RLock()
_chains: dict[tuple[int, str], list[_Link]] = {}


class Replacements:
    """What was put in the place of attributes of modules, classes and objects, and of names."""

    def __init__(self) -> None:
        self._taken: dict[tuple[int, str], _Link] = {}
        self._undo: list[Callable[[], bool]] = []

    def take(self, owner: Any, name: str) -> Callable[..., Any]:
        """Return what does as the attribute did, for the replacement to call.

        It stays right when an older replacement of the same attribute is put back first.
        """
        link = self._taken[id(owner), name] = _Link(owner, name)
        return link.before

    def put(self, owner: Any, name: str, new: Any) -> None:
        """Replace an attribute, in the object's own dictionary as `setattr` does."""
        with _lock:
            link = self._taken.pop((id(owner), name), None) or _Link(owner, name)
            link.new = new
            # Noted first, so that undo() knows of it if this is interrupted.
            self._undo.append(functools.partial(_take_away, link))
            _chains.setdefault((id(owner), name), []).append(link)
            setattr(owner, name, new)

    def put_new(self, owner: type, name: str, new: Any) -> None:
        """Give a class an attribute that it hasn't had itself."""

        def undo() -> bool:
            if vars(owner).get(name) is new:
                delattr(owner, name)
            return True

        self._undo.append(undo)
        setattr(owner, name, new)

    def put_name(self, names: dict[str, Any], name: str, new: Any) -> None:
        """Replace a global name of a module."""
        original = names[name]

        def undo() -> bool:
            if names.get(name) is new:
                names[name] = original
            return True

        self._undo.append(undo)
        names[name] = new

    def undo(self) -> bool:
        """Put everything back, the last thing first; False: others still call some of ours."""
        is_all = True
        while self._undo:
            is_all &= self._undo[-1]()
            self._undo.pop()
        self._taken.clear()
        return is_all


def _take_away(link: _Link) -> bool:
    with _lock:
        chain = _chains.get((id(link.owner), link.name), [])
        place = chain.index(link) if link in chain else -1
        above = chain[place + 1] if 0 <= place < len(chain) - 1 else None
        result = True
        if above is not None and above.original is link.new:
            # What was put there later goes on without ours in between.
            above.original, above.was_own = link.original, link.was_own
            above.before.__setstate__((link.original, (), {}, None))  # type: ignore[attr-defined]
        elif vars(link.owner).get(link.name) is link.new:
            if link.was_own:
                setattr(link.owner, link.name, link.original)
            else:
                delattr(link.owner, link.name)
        else:
            result = False  # other code has replaced ours meanwhile
        if place >= 0:
            chain.remove(link)
        if not chain:
            _chains.pop((id(link.owner), link.name), None)
        return result


def hide_frame(error: BaseException) -> None:
    """Let the traceback look as if the function that calls this did not stand between."""
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
