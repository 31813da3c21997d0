"""Lines of source: whether they are the user's own, and how to name them."""

import os
import site
import sys
import sysconfig
from functools import lru_cache
from types import CodeType
from typing import NamedTuple


class Place(NamedTuple):
    """A line of source as the user knows it: `In [7], line 3`, or `lesson.py:3`."""

    file: str
    line: int
    function: str
    path: str = ""
    """The file's own name, under which `linecache` finds the text."""

    def __str__(self) -> str:
        if self.file.startswith("In ["):
            return f"{self.file}, line {self.line}"
        return f"{os.path.basename(self.file)}:{self.line}"


def _roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [os.path.dirname(os.__file__), os.path.dirname(__file__)]
    found += site.getsitepackages() if hasattr(site, "getsitepackages") else []
    if isinstance(user := getattr(site, "USER_SITE", None), str):
        found.append(user)
    # Debian installs its own packages in a folder of their own.
    found.append("/usr/lib/python3/dist-packages")
    plain = [os.path.normcase(path) for path in found]
    real = [os.path.normcase(os.path.realpath(path)) for path in found]
    return tuple(dict.fromkeys(path.rstrip(os.sep) + os.sep for path in plain + real))


_ROOTS = _roots()


@lru_cache(maxsize=4096)
def is_users(filename: str) -> bool:
    """Return whether a file is outside the standard library and site-packages."""
    if filename.startswith("<"):
        return not filename.startswith(("<frozen", "<__array_function__", "<attrs"))
    return not os.path.normcase(filename).startswith(_ROOTS)


@lru_cache(maxsize=4096)
def name_library(filename: str) -> str:
    """Return the top package of a library's file, such as `httpx`, or an empty string."""
    path = os.path.normcase(filename)
    root = max((root for root in _ROOTS if path.startswith(root)), key=len, default="")
    return filename[len(root) :].split(os.sep)[0].removesuffix(".py") if root else ""


def is_ours(code: CodeType) -> bool:
    """Return whether code belongs to this package."""
    return code.co_filename.startswith(os.path.dirname(__file__) + os.sep)


def place_of(code: CodeType, line: int | None) -> Place:
    """Return the place of a line of that code; without a line, where its function begins."""
    path = code.co_filename
    return Place(name_file(path), line or code.co_firstlineno, code.co_qualname, path)


def name_file(path: str) -> str:
    """Return what the user calls a file: `In [7]` for a notebook cell, else its path."""
    if "IPython" in sys.modules:  # only a notebook knows which cell it compiled
        return name_cell(path) or path
    return path


def name_cell(path: str) -> str | None:
    """Return `In [7]` for the file name under which IPython has compiled a cell, else None."""
    shell = sys.modules["IPython"].get_ipython()
    names = getattr(getattr(shell, "compile", None), "_filename_map", {})
    count = names.get(path)
    return None if count is None else f"In [{count}]"
