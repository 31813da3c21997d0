"""What belongs to notebooks alone: the `%%timeline` magic, and the names of cells."""

import sys


def name_cell(path: str) -> str | None:
    """Return `In [7]` for the file name under which IPython has compiled a cell, else None."""
    shell = sys.modules["IPython"].get_ipython()
    names = getattr(getattr(shell, "compile", None), "_filename_map", {})
    count = names.get(path)
    return None if count is None else f"In [{count}]"
