"""Answers that learners give, right and wrong, by the lessons: `ANSWERS` in each module here.

They are run by `tests/test_exercises.py`, each in place of the notebook's cell `exercise-answer`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Answers:
    """The answers to one exercise that must be accepted, and those that must not be."""

    right: list[str]
    """Sources of cells; the notebook's own solution needn't be among them, it's tried as well."""

    wrong: list[tuple[str, str, str]]
    """The name of a mistake, the source of a cell that makes it, words of what the check says."""


def read_answers(text: str, start: str = "") -> Answers:
    """Read answers, each below a line `### right` or `### a mistake | words of what is said`.

    A source whose first line is indented goes on where `start` ends.
    """
    answers = Answers([], [])
    for part in re.split("^### ", text, flags=re.M)[1:]:
        head, _, source = part.partition("\n")
        source = start + source if source.lstrip("\n").startswith(" ") else source
        mistake, _, words = head.partition(" | ")
        if words:
            answers.wrong.append((mistake, source, words))
        else:
            answers.right.append(source)
    return answers
