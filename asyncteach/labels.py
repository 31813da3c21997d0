"""Names as people gave them, made fit to be printed and drawn."""

import unicodedata


def printable(text: object) -> str:
    """Return the text with what no terminal or picture can carry replaced by `?`."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def clip(text: object, columns: int) -> str:
    """Return the text on one line, at most so many columns wide, an ellipsis for what is cut.

    It is cut in the middle: numbered names differ at their end.
    """
    whole = str(text)
    tail = columns // 4
    # Five thousand characters need not be looked at to fill a few columns.
    if len(whole) > 8 * columns:
        whole = whole[: 4 * columns] + whole[-4 * columns :]
    line = " ".join(printable(whole).split())
    line = "".join(c if unicodedata.category(c)[0] != "C" else "?" for c in line)
    if width(line) <= columns:
        return line
    head, end = line, line[-tail:]
    while width(end) > tail:
        end = end[1:]
    while width(head) + 1 + width(end) > columns:
        head = head[:-1]
    return f"{head}…{end}"


def width(text: str) -> int:
    """Return how many columns of a terminal the text takes: CJK characters take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def pad(text: str, columns: int) -> str:
    """Return the text with spaces after it, so many columns wide in all."""
    return text + " " * (columns - width(text))


def tell_apart(names: list[str]) -> list[str]:
    """Return the names, the second of two that are the same with a number behind it.

    >>> tell_apart(["jog", "read", "jog"])
    ['jog', 'read', 'jog (2)']
    """
    taken = set(names)
    seen: set[str] = set()
    numbers: dict[str, int] = {}  # the last that was given to a name: ten thousand may share one
    result = []
    for name in names:
        number, own = numbers.get(name, 1), name
        while own in seen or (number > 1 and own in taken):
            number += 1
            own = f"{name} ({number})"
        numbers[name] = number
        seen.add(own)
        result.append(own)
    return result
