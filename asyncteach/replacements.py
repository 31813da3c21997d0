"""Attributes replaced for a while, and put back exactly as they were."""

from collections.abc import Callable
from typing import Any


class Replacements:
    """What was put in the place of attributes of modules, classes and objects, and of names."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def put(self, owner: Any, name: str, new: Any) -> None:
        """Replace an attribute, in the object's own dictionary as `setattr` does."""
        original, was_own = getattr(owner, name), name in vars(owner)

        def undo() -> None:
            if vars(owner).get(name) is not new:
                return  # somebody else has replaced ours meanwhile
            if was_own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)

        self._undo.append(undo)  # first, since an interrupt may come between
        setattr(owner, name, new)

    def put_name(self, names: dict[str, Any], name: str, new: Any) -> None:
        """Replace a global name of a module."""
        original = names[name]

        def undo() -> None:
            if names.get(name) is new:
                names[name] = original

        self._undo.append(undo)
        names[name] = new

    def undo(self) -> None:
        """Put everything back, the last thing first."""
        while self._undo:
            self._undo.pop()()
