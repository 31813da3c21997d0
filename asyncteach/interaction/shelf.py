"""Widgets of ipywidgets: whether there are any, and how they are put away again."""

import os
import sys
from importlib import import_module
from typing import Any

STATIC = "ASYNCTEACH_STATIC"
"""The environment variable that asks for the static form alone, as stored notebooks hold it."""

VIEW = "application/vnd.jupyter.widget-view+json"

_shown: dict[str, tuple[str, list[Any]]] = {}
"""For each cell the run that has shown widgets last, and these."""


def find_widgets() -> Any:
    """Return ipywidgets; None where it isn't installed."""
    try:
        return import_module("ipywidgets")
    except ImportError:
        return None


def say_missing(what: str) -> str:
    """Return the sentence for who has no ipywidgets."""
    return (
        f"The {what} need ipywidgets: run `%pip install ipywidgets` in a cell, restart the kernel "
        "and reload the page."
    )


def wants_static() -> bool:
    """Tell if nothing that needs a kernel is to be shown."""
    return bool(os.environ.get(STATIC))


def add_view(data: dict[str, Any], root: Any, parts: list[Any]) -> None:
    """Add a widget's view to what a cell shows, and close what its earlier runs have shown.

    A closed widget leaves nothing behind in the kernel; who has run a cell again doesn't see what
    it has shown before.
    """
    data[VIEW] = root._repr_mimebundle_()[VIEW]
    cell, run = _current_run()
    if not cell:
        return
    last, old = _shown.pop(cell, ("", []))
    if last != run:
        close(old)
        old = []
    _shown[cell] = (run, [*old, root, *parts])


def close(widgets: list[Any]) -> None:
    """Close widgets with all that is inside of them."""
    for widget in widgets:
        close(list(getattr(widget, "children", ())))
        for part in ("layout", "style"):
            if (inner := getattr(widget, part, None)) is not None:
                inner.close()
        widget.close()


def _current_run() -> tuple[str, str]:
    """Return the ids of the cell that is running and of this run of it, as far as they are told."""
    if "IPython" not in sys.modules:
        return "", ""
    shell = sys.modules["IPython"].get_ipython()
    message: dict[str, Any] = getattr(shell, "get_parent", dict)() or {}
    cell = message.get("metadata", {}).get("cellId", "")
    return cell, message.get("header", {}).get("msg_id", "")
