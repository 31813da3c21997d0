"""Whether an answer is a function or a class at all, where one is wanted."""

import ast
from typing import Any

from asyncteach.course.exercises import Exercise
from asyncteach.formatting import article, clip


def find_wrong_kind(exercise: Exercise, answer: tuple[Any, ...]) -> Any:
    """Return a failed Check if something that can't be called stands where code is wanted."""
    from asyncteach.checks.check import Check
    from asyncteach.checks.failures import judge_kind
    from asyncteach.checks.runner import Run
    from asyncteach.recording import Recording
    from asyncteach.subjects import CODE

    wanted = {
        node.name: "class" if isinstance(node, ast.ClassDef) else "function"
        for node in ast.parse(exercise.starter.strip()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, one in zip(exercise.arguments, answer, strict=False):
        if name in wanted and not callable(one):
            verdict = Check(
                Run(Recording(exercise.name, [], subject=CODE, head="loop")),
                exercise.name,
                ran=True,
            )
            verdict._take("kind", judge_kind(name, clip(_say(one), 60), wanted[name]))
            return verdict
    return None


def _say(one: Any) -> str:
    if one is None or isinstance(one, bool | int | float):
        return repr(one)
    return article(type(one).__name__)
