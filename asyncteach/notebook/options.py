"""The options on a line `%%timeline ...`, and what is said when they make no sense."""

import argparse
import keyword
import math
import shlex
from collections.abc import Callable
from typing import NoReturn

MAGIC = "%%timeline"


class Options(argparse.Namespace):
    """What stands behind `%%timeline`."""

    threshold: float
    width: float
    name: str
    virtual: bool
    no_picture: bool
    no_text: bool


def read_options(line: str) -> Options:
    """Return the options on a line `%%timeline ...`; raise UsageError, in a sentence."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:
        raise usage_error(f"{MAGIC}: a quotation mark on this line has no partner.") from None
    options, unknown = _make_parser().parse_known_args(words, Options())
    if unknown:
        raise usage_error(f"{MAGIC} has no option {unknown[0]!r}.")
    return options


def usage_error(sentence: str) -> Exception:
    """Return what IPython shows as one line, without a traceback."""
    from IPython.core.error import UsageError

    return UsageError(f"{sentence} `{MAGIC}?` shows how to use it.")


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--threshold", type=_number("seconds", 0, math.inf), default=0.05)
    parser.add_argument("--width", type=_number("inches", 3, 50), default=9.0)
    parser.add_argument("--name", type=_variable, default="_timeline")
    for flag in ("--virtual", "--no-picture", "--no-text"):
        parser.add_argument(flag, action="store_true")
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        option, _, reason = message.removeprefix("argument ").partition(": ")
        if reason == "expected one argument":
            reason = "needs a value behind it"
        elif reason.startswith("ignored explicit argument"):
            reason = "takes no value"
        raise usage_error(f"{MAGIC}: {option} {reason}.")


def _number(unit: str, least: float, most: float) -> Callable[[str], float]:
    allowed = f"{unit}, {least} to {most}" if most < math.inf else f"{unit}, more than {least}"

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (least <= number <= most and 0 < number < math.inf):
            raise argparse.ArgumentTypeError(f"takes {allowed}, and got {text!r}")
        return number

    return read


def _variable(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"takes the name of a variable, and got {text!r}")
    return text
