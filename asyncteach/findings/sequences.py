"""Awaits in a row: waits of one task that followed each other and could perhaps have overlapped.

The recording shows what followed what, call by call of the user's functions. Whether one await
needs what another does can't be known, so the finding says it as a condition. There is no finding
where the text shows a reason for the order: a result that is used, an object that both change, a
lock, a queue, a pause (`await asyncio.sleep(...)` in the block itself), a condition.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from math import isnan
from typing import NamedTuple

from asyncteach.findings import Finding, finding
from asyncteach.findings.source import (
    FUNCTIONS,
    Source,
    covers,
    names_in,
    read_source,
    root_of,
    stores,
    walk_own,
)
from asyncteach.formatting import at, called, format_duration, join_words, spell
from asyncteach.places import Place
from asyncteach.trace import Trace

# A finding has to save this share of the task's life, and this many seconds.
_SHARE, _SECONDS = 0.2, 0.02
# At least this share of the time must be waiting: running and ready can't overlap.
_WAITED = 0.8
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
# Something else decides whether and when an await inside of these happens.
_DECIDING = (ast.BoolOp, ast.IfExp, ast.Await, ast.NamedExpr, ast.Yield, ast.GeneratorExp)
# A loop that contains one of these may end early, catch errors or have rounds of its own.
_STOPS = (ast.For, ast.AsyncFor, ast.While, ast.Break, ast.Return, ast.Raise, ast.Try, ast.Match)
# The kinds of waits for something that goes on by itself, meanwhile.
_OUTSIDE = ("sleep", "socket", "subprocess", "thread", "process", "future", "tasks")
# A conversation on one stream has its order.
_STREAMS = ("data from a stream", "room in a stream", "data from a socket", "room in a socket")


@dataclass
class Part:
    """One await of one call: from the start of its first wait to the end of its last one."""

    place: Place
    child: Place | None  # a line of the user's function that it called; None for a library's
    key: object  # different for each call that is awaited
    start: float
    end: float
    waited: float = 0.0
    kinds: set[str] = field(default_factory=set)
    """What its waits were: `outside`, `stream`, or `pause`, a sleep of the function itself."""

    def shape(self) -> object:
        """Return all that is the same each time the same thing is awaited at the same line."""
        child = self.child and (self.child.path, self.child.function)
        return self.place.line, child, tuple(sorted(self.kinds))


class Awaited(NamedTuple):
    """One `await`, and what its order may depend on."""

    node: ast.Await
    numbers: list[int]  # which parts of the call it is
    objects: set[str]  # what it passes on as it is, and whose methods it calls
    touched: set[str]  # names from around the function that it calls: it may change their objects
    used: set[str]  # all names in that function
    can_repeat: bool  # it asks for a result and isn't one side of a conversation


class Series(NamedTuple):
    """Awaits that followed each other, in straight code or as the rounds of a loop."""

    nodes: list[ast.Await]
    loop: ast.For | ast.expr | None
    shared: set[str]  # objects that all of them use
    units: list[list[int]]  # which parts of the call belong to each await, or to each round


def find_sequences(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each row of awaits that could perhaps have waited at the same time."""
    found: dict[tuple[Place, bool], list[tuple[int, Series, float, float]]] = {}
    known: dict[object, list[Series]] = {}  # ten thousand calls may be alike
    for task, parts in _list_calls(trace):
        row, place = trace.rows[task], parts[0].place
        life = (trace.duration if isnan(row.finished) else row.finished) - row.spawned
        shape = (place.path, place.function, *(part.shape() for part in parts))
        if shape not in known:
            source = read_source(place)
            scope = source.scope(place) if source else None
            known[shape] = list(_Call(source, parts).series(scope.body)) if source and scope else []
        for series in known[shape]:
            units = [[parts[number] for number in unit] for unit in series.units]
            lengths = [unit[-1].end - unit[0].start for unit in units]
            total, waited = sum(lengths), sum(part.waited for unit in units for part in unit)
            together = max(lengths) + max(0.0, total - waited)
            if waited >= _WAITED * total and total - together >= max(_SECONDS, _SHARE * life):
                where = place._replace(line=series.nodes[0].lineno)
                times = found.setdefault((where, series.loop is None), [])
                times.append((task, series, total, together))
    yield from (_describe(trace, where, times) for (where, _), times in found.items())


def _list_calls(trace: Trace) -> Iterator[tuple[int, list[Part]]]:
    """Yield each task with what one call of one of its functions awaited, in order.

    Calls that awaited only one thing are left out.
    """
    calls: dict[tuple[int, int, int], list[Part]] = {}
    for number, wait in enumerate(sorted(trace.waits, key=lambda wait: wait.start)):
        # A comprehension with an await in it is a coroutine of its own on older Pythons.
        pairs = zip(wait.places, wait.calls, strict=False)
        links = [pair for pair in pairs if not pair[0].function.endswith("comp>")]
        library = wait.calls[len(wait.places) :]
        inner = [*links[1:], (None, library or ("no call", number))]
        for depth, ((place, call), (child, key)) in enumerate(zip(links, inner, strict=False)):
            parts = calls.setdefault((wait.task, depth, call), [])
            if not parts or parts[-1].key != key or parts[-1].place.line != place.line:
                parts.append(Part(place, child, key, wait.start, wait.end))
            part = parts[-1]
            part.end = wait.end
            part.waited += wait.end - wait.start
            # A task that is awaited at the line that started it is as good as a call. A function
            # that gathers waits for others.
            target = None if wait.target is None else trace.rows[wait.target].place
            is_own = wait.kind == "task" and target and target[:2] == wait.places[-1][:2]
            if is_own or (wait.kind in _OUTSIDE and (child or wait.kind != "tasks")):
                part.kinds.add("outside")
            if wait.kind == "sleep" and child is None and not library:
                part.kinds.add("pause")
            if wait.what in _STREAMS:
                part.kinds.add("stream")
    yield from ((task, parts) for (task, *_), parts in calls.items() if len(parts) > 1)


class _Call:
    """The awaits of one call of a function, matched with its text."""

    def __init__(self, source: Source, parts: list[Part]) -> None:
        self.source = source
        self.parts = parts

    def series(self, body: list[ast.stmt]) -> Iterator[Series]:
        """Yield what could have run together: in blocks that run once and catch no errors."""
        yield from self._straight(body)
        for statement in body:
            if isinstance(statement, ast.For):
                yield from self._loop(statement)
            elif isinstance(statement, ast.If):
                yield from self.series(statement.body)
                yield from self.series(statement.orelse)
            elif isinstance(statement, ast.With) or (
                # A client is made and named, a lock is only taken.
                isinstance(statement, ast.AsyncWith)
                and all(item.optional_vars for item in statement.items)
            ):
                yield from self.series(statement.body)
            elif isinstance(statement, _SIMPLE):
                for node in walk_own(statement):
                    if isinstance(node, _COMPREHENSIONS):
                        one = node.generators[0]
                        if not (node.generators[1:] or one.is_async or one.ifs):
                            awaits = self._awaits(node) or []
                            if len(awaits) == 1:
                                yield from self._rounds(awaits[0], node, names_in(one.target))

    def _straight(self, block: list[ast.stmt]) -> Iterator[Series]:
        """Yield the rows of statements in which no await needs a result of an earlier one."""
        groups: list[list[Awaited]] = [[]]
        results: set[str] = set()
        for statement in block:
            if isinstance(statement, (*FUNCTIONS, ast.ClassDef, ast.Pass)):
                continue
            awaits = self._awaits(statement) if isinstance(statement, _SIMPLE) else None
            for one in [None] if awaits is None else awaits:
                is_tied = one and any(_is_order_meant(one, other) for other in groups[-1])
                if one is None or is_tied or names_in(one.node) & results:
                    groups.append([])
                    results = set()
                groups[-1] += [] if one is None else [one]
            if awaits or names_in(statement) & results:
                results |= self._changed_by(statement)
        for group in groups:
            seen = [one for one in group if self._is_outside(one.numbers)]
            if len(seen) > 1:
                pairs = combinations(seen, 2)
                shared = set().union(*(one.objects & other.objects for one, other in pairs))
                yield Series([one.node for one in seen], None, shared, [o.numbers for o in seen])

    def _loop(self, loop: ast.For) -> Iterator[Series]:
        """Yield the rounds of a loop with one await, if that needs nothing of an earlier round."""
        inside = [node for part in loop.body for node in (part, *walk_own(part))]
        own = [part for part in loop.body if isinstance(part, _SIMPLE)]
        awaits = [one for part in own for one in self._awaits(part) or []]
        changed = set().union(*(self._changed_by(part) for part in loop.body))
        fresh = names_in(loop.target)
        if sum(isinstance(node, ast.Await) for node in inside) != 1 or len(awaits) != 1:
            return
        if loop.orelse or any(isinstance(node, (*_STOPS, ast.AsyncWith)) for node in inside):
            return
        if not names_in(awaits[0].node) & (changed - fresh):
            yield from self._rounds(awaits[0], loop, fresh)

    def _rounds(self, one: Awaited, loop: ast.For | ast.expr, fresh: set[str]) -> Iterator[Series]:
        """Yield the rounds of one await if it may happen several times at once."""
        shared = one.objects - fresh
        is_same = shared and not names_in(one.node) & fresh  # the same call again and again
        units = [[number] for number in one.numbers if self._is_outside([number])]
        again = one._replace(objects=shared)
        if len(units) > 1 and not is_same and not _is_order_meant(again, again):
            yield Series([one.node], loop, shared, units)

    def _is_outside(self, numbers: list[int]) -> bool:
        return any("outside" in self.parts[number].kinds for number in numbers)

    def _awaits(self, top: ast.stmt | ast.expr) -> list[Awaited] | None:
        """Return what a statement or a comprehension awaits; None if its order is intended."""
        nodes = [node for node in walk_own(top) if isinstance(node, ast.Await)]
        here = [n for n, part in enumerate(self.parts) if covers(top, part.place.line)]
        if nodes and any("pause" in self.parts[number].kinds for number in here):
            return None
        for node in nodes:
            # Neither a lock, nor a task that was started before.
            if self._is_decided(node, top) or not isinstance(node.value, ast.Call):
                return None
        if len(nodes) == 1:
            return [self._read(nodes[0], here)]
        return [self._read(node, [n]) for node, n in zip(nodes, here, strict=False)]

    def _is_decided(self, node: ast.AST, top: ast.AST) -> bool:
        """Return whether something between the two decides if and when the node happens."""
        while (node := self.source.parents[node]) is not top:
            if isinstance(node, (*_DECIDING, *_COMPREHENSIONS)):
                return True
        return False

    def _read(self, node: ast.Await, numbers: list[int]) -> Awaited:
        parts = [self.parts[number] for number in numbers]
        touched: set[str] = set()
        used: set[str] = set()
        for child in {part.child for part in parts if part.child}:
            source = read_source(child)
            function = source.scope(child) if source else None
            if source and isinstance(function, FUNCTIONS):
                touched |= source.touched(function)
                used |= names_in(function)
        passed: list[ast.expr] = []
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                passed += [*call.args, *(keyword.value for keyword in call.keywords)]
                passed += [call.func] if isinstance(call.func, ast.Attribute) else []
        known = {"", *(function.name for function in self.source.functions)}
        names = {root_of(one) for one in passed} - known
        objects = {name for name in names if not self.source.is_module(name)}
        # Two calls with the same string may mean the same file.
        texts = [one.value for one in passed if isinstance(one, ast.Constant)]
        objects |= {repr(text) for text in texts if isinstance(text, str)}
        is_result = not isinstance(self.source.parents[node], ast.Expr)
        can_repeat = is_result and not any("stream" in part.kinds for part in parts)
        return Awaited(node, numbers, objects, touched, used, can_repeat)

    def _changed_by(self, node: ast.AST) -> set[str]:
        """Return the names that a statement binds or may change: `x.append(...)` changes x.

        Not the object whose method is awaited: that is judged by what it shares with others.
        """
        names: set[str] = set()
        for part in walk_own(node):
            is_awaited = isinstance(self.source.parents[part], ast.Await)
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
                names |= set() if is_awaited else {root_of(part.func)}
            elif stores(part):
                names.add(root_of(part))
        return {name for name in names - {""} if not self.source.is_module(name)}


def _is_order_meant(one: Awaited, other: Awaited) -> bool:
    """Return whether the text shows a reason for the order of two awaits."""
    if one.touched & other.used or other.touched & one.used:
        return True
    return bool(one.objects & other.objects) and not (one.can_repeat and other.can_repeat)


def _describe(trace: Trace, place: Place, times: list[tuple[int, Series, float, float]]) -> Finding:
    """Return the finding about awaits in a row; with many calls, about the average one."""
    task, series, *_ = times[0]
    parts = round(sum(len(one[1].units) for one in times) / len(times))
    total = sum(one[2] for one in times) / len(times)
    together = sum(one[3] for one in times) / len(times)
    often, average = (f", {spell(len(times))} times", " on average") if times[1:] else ("", "")
    texts = [ast.unparse(node.value) for node in series.nodes]
    if series.loop is None:
        last = series.nodes[-1].end_lineno or series.nodes[-1].lineno
        until = f" (to line {last})" if last != place.line else ""
        what, condition = f"These {spell(parts)} awaits", "none needs what another does"
        calls = ", ".join(texts)
    else:
        until, condition = "", "no round needs what another does"
        what = f"The {spell(parts)} rounds of the loop"
        one = getattr(series.loop, "generators", [series.loop])[0]
        calls = f"*({texts[0]} for {ast.unparse(one.target)} in {ast.unparse(one.iter)})"
    if shared := sorted({f"`{n}`" for _, s, *_ in times for n in s.shared if n.isidentifier()}):
        condition += f" and all can use {join_words(shared)} at the same time"
    where = called(place.function)
    message = (
        f"{what}{f' in {where}' if where else ''}{at(place)}{until} ran one after another{often}: "
        f"{format_duration(total, rough=True)}{average}; if {condition}, together they could take "
        f"{format_duration(together, rough=True)}."
    )
    fix = (
        f"If so, start them together: `await asyncio.gather({calls if len(calls) < 99 else '...'})`"
        f", or give each its own task in an `asyncio.TaskGroup`."
    )
    saving = (total - together) * len(times)
    return finding("one-after-another", trace.rows[task], saving, place, message, fix)
