"""Answers that learners give, right and wrong, by the lessons: `ANSWERS` in each module here.

They are run by `tests/test_exercises.py`, each in place of the notebook's cell `exercise-answer`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answers:
    """The answers to one exercise that must be accepted, and those that must not be."""

    right: list[str]
    """Sources of cells; the notebook's own solution needn't be among them, it's tried as well."""

    wrong: list[tuple[str, str, str]]
    """The name of a mistake, the source of a cell that makes it, words of what has to be said."""

    notes: dict[str, str] = field(default_factory=dict)
    """Whatever is worth knowing about one of them."""
