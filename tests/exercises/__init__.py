"""Answers that learners give, right and wrong, by the lessons: `ANSWERS` in each module here.

They are run by `tests/test_exercises.py`, each in place of the notebook's cell `exercise-answer`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Answers:
    """The answers to one exercise that must be accepted, and those that must not be."""

    right: list[str]
    """Sources of cells, without the notebook's own solution."""

    wrong: list[tuple[str, str, str]]
    """The name of a mistake, the source of a cell that makes it, words of what the check says."""


def read_answers(text: str, solution: str) -> Answers:
    """Read answers, each below a line `### right` or `### a mistake | words of what is said`.

    Lines with - and + change the right answer above them, at first the solution in the notebook.
    """
    answers, base = Answers([], []), solution
    for part in re.split("^### ", text, flags=re.M)[1:]:
        head, _, source = part.partition("\n")
        source = change(base, source) if source.startswith("-") else source
        mistake, _, words = head.partition(" | ")
        if words:
            answers.wrong.append((mistake, source, words))
        else:
            answers.right.append(base := source)
    return answers


def change(source: str, lines: str) -> str:
    """Return the source with the lines with a + in place of those with a - above them."""
    for hunk in re.findall(r"(?:^-.*\n)+(?:^\+.*\n)*", lines, re.M):
        old, new = ("".join(re.findall(rf"^\{sign}(.*\n)", hunk, re.M)) for sign in "-+")
        assert f"\n{source}".count(f"\n{old}") == 1, old
        source = f"\n{source}".replace(f"\n{old}", f"\n{new}")[1:]
    return source
