"""Waits of one task that followed each other, though nothing in the text makes them.

What followed what is known from the recording: the waits of each call of the user's functions.
Whether one needs another is judged by the names that the statements of one block read and bind, so
it is told as a condition. Only waiting for something outside counts: a lock, a queue or a pause
(`await asyncio.sleep(...)` in the block itself) is there for the sake of the order.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan

from asyncteach.findings.finding import Finding, finding
from asyncteach.findings.source import (
    COMPREHENSIONS,
    FUNCTIONS,
    LOOPS,
    Function,
    Source,
    covers,
    names_in,
    read_source,
    root_of,
    stores,
    walk_own,
)
from asyncteach.formatting import at, called, listing, span, spell
from asyncteach.places import Place
from asyncteach.tapes.tape import Tape, Wait

# What isn't worth a word: less of the task's life, or fewer seconds.
_SHARE, _SECONDS = 0.2, 0.02
# How much of the time has to have been waiting: what runs or is ready can't be overlapped.
_WAITED = 0.8
_OUTSIDE = ("sleep", "socket", "subprocess", "thread", "process", "future", "tasks")
# A conversation on one stream has its order.
_STREAMS = ("data from a stream", "room in a stream", "data from a socket", "room in a socket")
# What asyncio wraps around a call: the call itself is what counts.
_WRAPPERS = ("create_task", "ensure_future", "wait_for", "shield")
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
# Whether and when an await inside of these happens is decided by what comes before it.
_DECIDING = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.Await, ast.NamedExpr, ast.Yield)
_STOPS = (*LOOPS, *COMPREHENSIONS, ast.Break, ast.Return, ast.Raise, ast.Try, ast.With, ast.Match)

Awaiting = ast.Await | ast.Call
"""An await, or the call behind an `async with`."""
Callee = tuple[Source, Function] | None


@dataclass
class Part:
    """One await of one call: from where its first wait began to where its last one ended."""

    place: Place
    child: Place | None
    """A line of the user's function that it called; None: a library's."""
    key: object
    start: float
    end: float
    waited: float = 0.0
    outside: bool = False
    pause: bool = False
    stream: bool = False


@dataclass
class Series:
    """The same awaits in a row, however often they were seen, told as one finding."""

    task: int
    place: Place
    nodes: Sequence[Awaiting]
    loop: ast.For | ast.expr | None
    shared: set[str] = field(default_factory=set)
    """Objects that all of them use, which would have to serve several at once."""
    total: float = 0.0
    together: float = 0.0
    parts: int = 0
    times: int = 0


Run = tuple[Sequence[Awaiting], ast.For | ast.expr | None, set[str], list[list[Part]]]
"""Awaits, the loop around them, the objects that they share, the parts of each or each round."""


def find_sequences(tape: Tape) -> Iterator[Finding]:
    """Give a finding for each row of awaits that could as well have waited at the same time."""
    by_task: dict[int, list[Wait]] = {}
    for wait in tape.waits:
        by_task.setdefault(wait.task, []).append(wait)
    found: dict[object, Series] = {}
    for task, waits in by_task.items():
        row = tape.rows[task]
        life = (tape.duration if isnan(row.finished) else row.finished) - row.spawned
        for parts in _list_calls(tape, waits, by_task):
            source = read_source(parts[0].place)
            scope = source.scope(parts[0].place) if source else None
            if source is None or scope is None:
                continue
            for nodes, loop, shared, units in _Call(source, parts).runs(scope.body):
                lengths = [unit[-1].end - unit[0].start for unit in units]
                total, waited = sum(lengths), sum(part.waited for unit in units for part in unit)
                together = max(lengths) + max(0.0, total - waited)
                if waited < _WAITED * total or total - together < max(_SECONDS, _SHARE * life):
                    continue
                place = parts[0].place._replace(line=nodes[0].lineno)
                one = found.setdefault((place, loop is None), Series(task, place, nodes, loop))
                one.shared |= shared
                one.total += total
                one.together += together
                one.parts += len(units)
                one.times += 1
    for one in found.values():
        yield _tell(tape, one)


def _list_calls(
    tape: Tape, waits: list[Wait], by_task: dict[int, list[Wait]]
) -> Iterator[list[Part]]:
    """Give for each call of the user's functions that a task was in what it awaited, in order."""
    calls: dict[tuple[int, int], list[Part]] = {}
    for number, wait in enumerate(sorted(waits, key=lambda wait: wait.start)):
        # A comprehension with an await in it is a coroutine of its own on older Pythons.
        pairs = zip(wait.places, wait.calls, strict=False)
        links = [pair for pair in pairs if not pair[0].function.endswith("comp>")]
        is_direct = len(wait.calls) == len(wait.places)
        inner = (_child(tape, wait, by_task), -1 - number if is_direct else wait.calls[-1])
        for depth, (place, call) in enumerate(links):
            is_last = depth + 1 == len(links)
            child, key = inner if is_last else links[depth + 1]
            parts = calls.setdefault((depth, call), [])
            if not parts or parts[-1].key != key or parts[-1].place.line != place.line:
                parts.append(Part(place, child, key, wait.start, wait.end))
            part = parts[-1]
            part.end = wait.end
            part.waited += wait.end - wait.start
            # A parent that gathers waits for others; a task of its own is as good as a call.
            others = wait.kind == "tasks" and child is None
            mine = wait.kind == "task" and child is not None
            part.outside |= mine or (wait.kind in _OUTSIDE and not others)
            part.pause |= wait.kind == "sleep" and is_last and is_direct
            part.stream |= wait.what in _STREAMS
    yield from (parts for parts in calls.values() if len(parts) > 1)


def _child(tape: Tape, wait: Wait, by_task: dict[int, list[Wait]]) -> Place | None:
    """Return a line of the coroutine of a task that was awaited where it was spawned."""
    if wait.kind != "task" or wait.target not in by_task or not wait.places:
        return None
    target, here = tape.rows[wait.target], wait.places[-1]
    if target.parent != wait.task or target.place is None or target.place[:2] != here[:2]:
        return None
    places = by_task[wait.target][0].places
    return places[0] if places else None


class _Call:
    """The awaits of one call of a function, matched with its text."""

    def __init__(self, source: Source, parts: list[Part]) -> None:
        self.source = source
        self.parts = parts

    def runs(self, body: list[ast.stmt]) -> Iterator[Run]:
        """Give what could have run together: in blocks that run once and catch no errors."""
        yield from self._straight(body)
        for statement in body:
            if isinstance(statement, ast.For):
                yield from self._loop(statement)
            elif isinstance(statement, ast.If):
                yield from self.runs(statement.body)
                yield from self.runs(statement.orelse)
            elif isinstance(statement, ast.With) or (
                # What is made here, a client say, not a lock that is taken.
                isinstance(statement, ast.AsyncWith)
                and all(_made(item) and item.optional_vars for item in statement.items)
            ):
                yield from self.runs(statement.body)
            elif isinstance(statement, _SIMPLE):
                for node in walk_own(statement):
                    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
                        yield from self._comprehension(node)

    def _units(self, nodes: Sequence[Awaiting], *, again: bool) -> list[list[Part]]:
        """Return the parts of each await, or of each round; none if one never waited outside."""
        units: list[list[Part]] = []
        before, seen = -1, set()
        for part in self.parts:
            found = [n for n, node in enumerate(nodes) if covers(node, part.place.line)]
            index = next((n for n in found if n > before or again), None)
            if index is None:
                continue
            if not units or index <= before or not again:
                units.append([])
            units[-1].append(part)
            before = index
            if part.outside:
                seen.add(index)
        if again and len(seen) < len(nodes):
            return []
        return [unit for unit in units if any(part.outside for part in unit)]

    def _is_paced(self, node: ast.stmt) -> bool:
        """Tell if there was a pause inside of a statement: then the order is meant."""
        return any(part.pause for part in self.parts if covers(node, part.place.line))

    def _is_decided(self, node: ast.AST, statement: ast.stmt) -> bool:
        outer = self.source.parents.get(node)
        while outer is not None and outer is not statement:
            if isinstance(outer, _DECIDING):
                return True
            outer = self.source.parents.get(outer)
        return False

    def _callee(self, call: ast.Call) -> Callee:
        """Return the user's function that is called, if its source can be read."""
        for part in self.parts:
            if part.child and covers(call, part.place.line):
                home = read_source(part.child)
                scope = home.scope(part.child) if home else None
                if home and isinstance(scope, FUNCTIONS) and scope.name == _last_name(call.func):
                    return home, scope
        return None

    def _straight(self, block: list[ast.stmt]) -> Iterator[Run]:
        nodes: list[Awaiting] = []
        results: set[str] = set()
        shared: set[str] = set()
        for statement in [*block, ast.Break()]:  # which ends the last run
            if isinstance(statement, (*FUNCTIONS, ast.ClassDef, ast.Pass)):
                continue
            own = [] if isinstance(statement, ast.Break) else _awaiting(statement)
            loops = own and any(isinstance(n, COMPREHENSIONS) for n in walk_own(statement))
            decided = any(self._is_decided(node, statement) for node in own)
            ends = not isinstance(statement, _SIMPLE) or loops or decided
            if ends or (own and self._is_paced(statement)):
                own = []
                yield from self._found(nodes, shared)
                nodes, results, shared = [], set(), set()
            for node in own:
                ties = [self._tie(node, other) for other in nodes]
                if None in ties or names_in(_call_of(node) or node) & results:
                    yield from self._found(nodes, shared)
                    nodes, results, shared, ties = [], set(), set(), []
                shared = shared.union(*(tie or set() for tie in ties))
                nodes = [*nodes, node]
            if nodes and (own or names_in(statement) & results):
                results |= self._bound_by(statement)

    def _found(self, nodes: list[Awaiting], shared: set[str]) -> Iterator[Run]:
        units = self._units(nodes, again=False) if len(nodes) > 1 else []
        if len(units) > 1:
            yield nodes, None, shared, units

    def _tie(self, one: Awaiting, other: Awaiting) -> set[str] | None:
        """Return the objects that two awaits share, None if one may need what the other does."""
        a, b = _call_of(one), _call_of(other)
        if a is None or b is None:
            return None  # a task by name, which was started before
        first, second = self._callee(a), self._callee(b)
        if first and second and first[0].shared(first[1]) & second[0].shared(second[1]):
            return None
        theirs = {ast.dump(arg) for arg in _arguments(b)}
        common = [arg for arg in _arguments(a) if ast.dump(arg) in theirs]
        same = ast.dump(a.func) == ast.dump(b.func)
        if not same and any(isinstance(getattr(arg, "value", 0), str) for arg in common):
            return None  # one name of a file, written by one and read by the other
        objects = self._receiver(a) & self._receiver(b)
        for arg in common:
            if self._is_object(arg, a, first) or self._is_object(arg, b, second):
                objects.add(root_of(arg))
        differs = {ast.dump(arg) for arg in _arguments(a)} != theirs
        return objects if not objects or (same and self._serves(a, first, differs)) else None

    def _serves(self, call: ast.Call, callee: Callee, differs: bool) -> bool:
        """Tell if an object may well serve several such calls at once, as clients do.

        It is asked the same with other words, by no method that keeps something in its object.
        """
        if callee and isinstance(call.func, ast.Attribute) and callee[1].args.args:
            own = callee[1].args.args[0].arg
            if any(stores(node) and root_of(node) == own for node in ast.walk(callee[1])):
                return False
        return differs and not any(p.stream for p in self.parts if covers(call, p.place.line))

    def _receiver(self, call: ast.Call) -> set[str]:
        """Return the name of the object whose method is called, nothing for a function."""
        if not isinstance(call.func, ast.Attribute) or call.func.attr == "run_in_executor":
            return set()
        return {root_of(call.func)} - {""} - set(self.source.imports)

    def _is_object(self, arg: ast.expr, call: ast.Call, callee: Callee) -> bool:
        """Tell if an argument is more than a value: the function that gets it uses parts of it."""
        name = root_of(arg)
        functions = {function.name for function in self.source.functions}
        if not name or name in functions or name in self.source.imports:
            return False
        if callee is None or not isinstance(arg, ast.Name):
            return True
        used = {root_of(n) for n in ast.walk(callee[1]) if not isinstance(n, ast.Name)}
        names = [a.arg for a in (*callee[1].args.posonlyargs, *callee[1].args.args)]
        given = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
        return any(ast.dump(one) == ast.dump(arg) and own in used for own, one in given)

    def _loop(self, loop: ast.For) -> Iterator[Run]:
        """Give the run of a loop if no round needs what an earlier one has left."""
        body = list(_flat(loop.body))
        inner = [node for part in loop.body for node in (part, *walk_own(part))]
        if loop.orelse or self._is_paced(loop) or any(isinstance(n, _STOPS) for n in inner):
            return
        own = names_in(loop.target)
        carried = set().union(*(self._bound_by(statement) for statement in loop.body))
        nodes: list[Awaiting] = []
        for statement in body:
            here = _awaiting(statement)
            if here and not isinstance(statement, (*_SIMPLE, ast.AsyncWith)):
                return
            for node in here:
                reads = names_in(_call_of(node) or node)
                if self._is_decided(node, statement) or reads & carried - own:
                    return
            nodes += here
            # What a round has made for itself, it may use.
            bound = self._bound_by(statement)
            if isinstance(statement, ast.AsyncWith):
                own |= {n for item in statement.items for n in names_in(item) if n in bound}
            elif isinstance(statement, _SIMPLE) and not _loaded(statement) & (carried - own):
                own |= bound
        yield from self._rounds(nodes, loop, own)

    def _comprehension(self, node: ast.expr) -> Iterator[Run]:
        generators = node.generators  # type: ignore[attr-defined]
        if len(generators) == 1 and not generators[0].is_async and not generators[0].ifs:
            yield from self._rounds(_awaiting(node), node, names_in(generators[0].target))

    def _rounds(
        self, nodes: list[Awaiting], loop: ast.For | ast.expr, own: set[str]
    ) -> Iterator[Run]:
        shared: set[str] = set()
        for node in nodes:
            if (call := _call_of(node)) is None:
                return
            callee = self._callee(call)
            objects = self._receiver(call) - own
            for arg in _arguments(call):
                if not names_in(arg) & own and self._is_object(arg, call, callee):
                    objects.add(root_of(arg))
            differs = bool(names_in(call) & own)
            if (callee and callee[0].shared(callee[1])) or (
                objects and not self._serves(call, callee, differs)
            ):
                return
            shared |= objects
        units = self._units(nodes, again=True) if nodes else []
        if len(units) > 1:
            yield nodes, loop, shared, units

    def _bound_by(self, node: ast.AST) -> set[str]:
        """Return the names that a statement binds or may change: `x.append(...)` changes x.

        Not the object whose method is awaited: that is judged by what it shares with others.
        """
        names = {root_of(part) for part in walk_own(node) if stores(part)}
        for part in walk_own(node):
            is_awaited = isinstance(self.source.parents.get(part), (ast.Await, ast.withitem))
            if isinstance(part, ast.Call) and not is_awaited:
                names.add(root_of(part.func) if isinstance(part.func, ast.Attribute) else "")
        return names - {""} - set(self.source.imports)


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements of a block and of each `async with` in it."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.AsyncWith):
            yield from _flat(statement.body)


def _awaiting(node: ast.stmt | ast.expr) -> list[Awaiting]:
    """Return what a statement itself awaits, or each round of a comprehension."""
    if isinstance(node, ast.AsyncWith):
        made = [i.context_expr for i in node.items if isinstance(i.context_expr, ast.Call)]
        if len(made) == len(node.items):
            return list(made)
        return [ast.copy_location(ast.Await(node.items[0].context_expr), node)]  # a lock, say
    return [n for n in (node, *walk_own(node)) if isinstance(n, ast.Await)]


def _made(item: ast.withitem) -> bool:
    return isinstance(item.context_expr, ast.Call)


def _call_of(node: Awaiting) -> ast.Call | None:
    """Return the call that is awaited, without what asyncio wraps around it."""
    call: ast.expr = node.value if isinstance(node, ast.Await) else node
    while isinstance(call, ast.Call) and call.args and _last_name(call.func) in _WRAPPERS:
        call = call.args[0]
    return call if isinstance(call, ast.Call) else None


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _loaded(node: ast.AST) -> set[str]:
    return {n.id for n in walk_own(node) if isinstance(n, ast.Name) and not stores(n)}


def _tell(tape: Tape, one: Series) -> Finding:
    where, parts = called(one.place.function), round(one.parts / one.times)
    inside = f" in {where}" if where else ""
    # Of many, what it was on average.
    total, together = span(one.total / one.times), span(one.together / one.times)
    often, average = (f", {spell(one.times)} times", " on average") if one.times > 1 else ("", "")
    if one.loop is None:
        last = one.nodes[-1].end_lineno or one.nodes[-1].lineno
        until = f" (to line {last})" if last != one.place.line else ""
        what, none = f"These {spell(parts)} awaits", "none needs what another does"
        calls = ", ".join(ast.unparse(_call_of(node) or node) for node in one.nodes)
    else:
        # What an `async with` waits for when it is left looks like one more round.
        number = f"{spell(parts)} " if all(isinstance(n, ast.Await) for n in one.nodes) else ""
        until, none = "", "no round needs what another does"
        what, calls = f"The {number}rounds of the loop", _starred(one)
    if one.shared:
        names = sorted("the object" if n == "self" else f"`{n}`" for n in one.shared)
        none += f", and if {listing(names)} can serve several at once"
    message = (
        f"{what}{inside}{at(one.place)}{until} ran one after another{often}: {total}{average}; "
        f"if {none}, together they could take {together}."
    )
    calls = calls if len(calls) <= 100 else "..."
    fix = (
        f"Start them together: `await asyncio.gather({calls})`, or give each its own task in an "
        f"`asyncio.TaskGroup`."
    )
    saving = one.total - one.together
    return finding("one-after-another", tape.rows[one.task], saving, one.place, message, fix)


def _starred(one: Series) -> str:
    """Return the loop as an argument of gather(); dots where a round does more than one thing."""
    if len(one.nodes) > 1 or not isinstance(one.nodes[0], ast.Await):
        return "..."
    call = ast.unparse(_call_of(one.nodes[0]) or one.nodes[0])
    if isinstance(one.loop, ast.For):
        return f"*({call} for {ast.unparse(one.loop.target)} in {ast.unparse(one.loop.iter)})"
    generators = getattr(one.loop, "generators", [])
    return f"*({call} {' '.join(ast.unparse(g).strip() for g in generators)})"
