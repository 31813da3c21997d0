"""Files and folders of the command line: made whole or not at all, never in another's place."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Refusal(Exception):
    """What cannot be done, in one sentence that names the cause and the fix."""


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise Refusal(f"{folder} is, or is inside, a file: name a folder") from error
    except OSError as error:
        raise _cannot("make the folder", folder, error) from error


def _cannot(what: str, path: Path, error: OSError) -> Refusal:
    return Refusal(f"cannot {what} {path} ({error.strerror}): name a folder that you can write to")


def write_new(target: Path, content: bytes) -> bool:
    """Write a whole new file or nothing, so that half of one is never kept as a user's own."""
    whole = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        with whole.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _name_new(whole, target)
    except FileExistsError:
        return False
    except OSError as error:
        raise _cannot("write", target, error) from error
    finally:
        whole.unlink(missing_ok=True)
    return True


def _name_new(whole: Path, target: Path) -> None:
    """Give a file its name, or raise FileExistsError when the name is taken."""
    try:
        os.link(whole, target)  # where rename would replace, a link never does
    except (OSError, AttributeError) as error:  # perhaps a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from error
        whole.rename(target)


def save_figure(folder: Path, name: str, figure: "Figure", whose: str) -> str:
    """Save a figure in place of an earlier one of ours, never of another file; return what to say.

    `whose` it is, a demo's or a measurement's, is written into it, so that it is known again.
    """
    mark = f"asyncteach {whose}"
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=200, metadata={"Software": mark})
    path, number, note = folder / f"{name}.png", 1, ""
    while not write_new(path, png.getvalue()):
        if path.is_file() and mark.encode() in path.read_bytes():
            path.unlink()
            note = f" (in place of an earlier {whose}'s)"
        else:
            number += 1
            path = folder / f"{name}-{number}.png"
    return f"{path}{note}"
