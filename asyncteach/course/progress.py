"""Progress in the exercises: kept in a small file next to the notebooks, and shown."""

import functools
import json
from pathlib import Path

from asyncteach.course.exercises import Exercise, all_exercises

__all__ = ["show_progress"]

FILE = ".asyncteach-progress.json"
OPEN, TRIED, SOLVED = "open", "tried", "solved"

_here: dict[str, str] = {}  # what this process knows, even if the file can't be written


def show_progress(lesson: int | None = None) -> None:
    """Print each exercise of a lesson, or of all, and whether it is open, tried or solved.

    `check_answer` keeps the state of each exercise in the file `.asyncteach-progress.json` in the
    folder of the notebook, so it survives a restart of the kernel. Delete the file to begin again.
    The file holds nothing else. Raises ValueError for a lesson without exercises.

    >>> show_progress(4)
    Lesson 4: 0 of 1 solved
      open    the printer
    """
    __tracebackhide__ = True
    exercises = all_exercises()
    lessons = sorted({one.lesson for one in exercises})
    if lesson is not None and lesson not in lessons:
        known = ", ".join(map(str, lessons))
        raise ValueError(f"Lesson {lesson!r} has no exercises: there are some in {known}.")
    chosen = [one for one in exercises if lesson in (None, one.lesson)]
    print(describe(chosen, {**_read(Path(FILE))[0], **_here}))


def describe(exercises: list[Exercise], states: dict[str, str]) -> str:
    """Return the exercises with their states, by lesson."""
    lines = []
    for lesson in sorted({one.lesson for one in exercises}):
        names = [one.name for one in exercises if one.lesson == lesson]
        solved = sum(states.get(name) == SOLVED for name in names)
        lines.append(f"Lesson {lesson}: {solved} of {len(names)} solved")
        lines += [f"  {states.get(name, OPEN):<7} {name}" for name in names]
    return "\n".join(lines)


def keep(name: str, *, solved: bool) -> None:
    """Note that an exercise was tried or solved; a solved one stays solved."""
    states, trouble = _read(Path(FILE))
    states = {**states, **_here}
    _here[name] = SOLVED if solved or states.get(name) == SOLVED else TRIED
    if not trouble and states.get(name) != _here[name]:
        kept = {"version": 1, "exercises": dict(sorted({**states, **_here}.items()))}
        try:
            Path(FILE).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            trouble = (
                f"Your progress can't be written to {Path(FILE).absolute()} ({error.strerror})."
            )
    if trouble:
        report(f"{trouble} Your progress is kept only until the kernel is restarted.")


@functools.cache
def report(trouble: str) -> None:
    """Print a problem with the file, once."""
    print(trouble)


def describe_folder(folder: Path) -> str:
    """Return the progress kept in `folder`, or in the usual folder of the notebooks inside it.

    Raises ValueError if the file can't be read.
    """
    places = [folder / below for below in ("", "asyncteach-notebooks", "notebooks")]
    kept = next((place for place in places if (place / FILE).exists()), None)
    states, trouble = _read((kept or folder) / FILE)
    if trouble:
        raise ValueError(trouble[0].lower() + trouble[1:].rstrip("."))
    exercises = all_exercises()
    solved = sum(states.get(one.name) == SOLVED for one in exercises)
    lines = [describe(exercises, states), "", f"All lessons: {solved} of {len(exercises)} solved"]
    if kept is None:
        lines.append(
            f"No exercise has been tried in {folder} yet: is that the folder of your notebooks?"
        )
    return "\n".join(lines)


def _read(path: Path) -> tuple[dict[str, str], str]:
    """Return the states of the exercises in a file, and a sentence if it can't be read."""
    try:
        states = json.loads(path.read_text(encoding="utf-8"))["exercises"].items()
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}, f"{path} isn't a file that check_answer() wrote: delete it to begin again."
    return {name: state for name, state in states if state in (TRIED, SOLVED)}, ""
