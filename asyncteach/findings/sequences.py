"""Waits of one task that followed each other, though nothing in the text makes them.

What followed what is known from the recording: the waits of each call of the user's functions.
Whether one needs another is judged by the names that the statements of one block read and bind, so
it is told as a condition. Only waiting for something outside counts: a lock, a queue or a pause
(`await asyncio.sleep(...)` in the block itself) is there for the sake of the order.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

from asyncteach.findings import Finding, finding
from asyncteach.findings.source import (
    FUNCTIONS,
    Function,
    Source,
    covers,
    last_name,
    names_in,
    read_source,
    root_of,
    stores,
    walk_own,
)
from asyncteach.formatting import at, called, format_duration, join_words, spell
from asyncteach.places import Place
from asyncteach.trace import Trace, Wait

# What isn't worth a word: less of the task's life, or fewer seconds.
_SHARE, _SECONDS = 0.2, 0.02
# How much of the time has to have been waiting: what runs or is ready can't be overlapped.
_WAITED = 0.8
# What asyncio wraps around a call: the call itself is what counts.
_WRAPPERS = ("create_task", "ensure_future", "wait_for", "shield")
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
# Whether and when an await inside of these happens is decided by what comes before it.
_DECIDING = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.Await, ast.NamedExpr, ast.Yield)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_STOPS = (
    *(*_COMPREHENSIONS, ast.For, ast.AsyncFor, ast.While, ast.Break, ast.Return, ast.Raise),
    *(ast.Try, ast.With, ast.Match),
)
Awaiting = ast.Await | ast.Call
"""An await, or the call behind an `async with`."""
_OUTSIDE = ("sleep", "socket", "subprocess", "thread", "process", "future", "tasks")
"""The kinds of waits for something that goes on by itself, meanwhile."""

# A conversation on one stream has its order.
_STREAMS = ("data from a stream", "room in a stream", "data from a socket", "room in a socket")


@dataclass
class Part:
    """One await of one call: from where its first wait began to where its last one ended."""

    place: Place
    child: Place | None
    """A line of the user's function that it called; None: a library's."""
    key: object
    """Different for each call that is awaited."""
    start: float
    end: float
    waited: float = 0.0
    outside: bool = False
    """Whether any of it was waiting for something outside."""
    pause: bool = False
    """Whether it was a sleep that the function itself awaits."""
    stream: bool = False
    """Whether it was one side of a conversation."""

    def shape(self) -> object:
        """Return all that is the same each time the same thing is awaited at the same line."""
        child = self.child and (self.child.path, self.child.function)
        return self.place.line, child, self.outside, self.pause, self.stream


class Series(NamedTuple):
    """Awaits that followed each other, in straight code or as the rounds of a loop."""

    nodes: Sequence[Awaiting]
    loop: ast.For | ast.expr | None
    shared: set[str]
    """Objects that all of them use, which would have to serve several at once."""
    units: list[list[int]]
    """Which parts of the call belong to each await, or to each round."""


def find_sequences(trace: Trace) -> Iterator[Finding]:
    """Give a finding for each row of awaits that could as well have waited at the same time."""
    found: dict[tuple[Place, bool], list[tuple[int, Series, float, float]]] = {}
    known: dict[object, list[Series]] = {}  # ten thousand calls may be alike
    for task, parts in _list_calls(trace):
        row, place = trace.rows[task], parts[0].place
        life = (trace.duration if isnan(row.finished) else row.finished) - row.spawned
        shape = (place.path, place.function, *(part.shape() for part in parts))
        if shape not in known:
            source = read_source(place)
            scope = source.scope(place) if source else None
            known[shape] = list(_Call(source, parts).runs(scope.body)) if source and scope else []
        for run in known[shape]:
            units = [[parts[number] for number in unit] for unit in run.units]
            lengths = [unit[-1].end - unit[0].start for unit in units]
            total, waited = sum(lengths), sum(part.waited for unit in units for part in unit)
            together = max(lengths) + max(0.0, total - waited)
            if waited >= _WAITED * total and total - together >= max(_SECONDS, _SHARE * life):
                where = place._replace(line=run.nodes[0].lineno)
                found.setdefault((where, run.loop is None), []).append((task, run, total, together))
    yield from (_describe(trace, where, times) for (where, _), times in found.items())


def _list_calls(trace: Trace) -> Iterator[tuple[int, list[Part]]]:
    """Give each task with what one call of one of its functions awaited, in order.

    Calls that awaited only one thing are left out.
    """
    by_task: dict[int, list[Wait]] = {}
    for wait in sorted(trace.waits, key=lambda wait: wait.start):
        by_task.setdefault(wait.task, []).append(wait)
    for task, waits in by_task.items():
        calls: dict[tuple[int, int], list[Part]] = {}
        for number, wait in enumerate(waits):
            # A comprehension with an await in it is a coroutine of its own on older Pythons.
            pairs = zip(wait.places, wait.calls, strict=False)
            links = [pair for pair in pairs if not pair[0].function.endswith("comp>")]
            is_direct = len(wait.calls) == len(wait.places)
            inner = (_child(trace, wait, by_task), -1 - number if is_direct else wait.calls[-1])
            for depth, (place, call) in enumerate(links):
                is_last = depth + 1 == len(links)
                child, key = inner if is_last else links[depth + 1]
                parts = calls.setdefault((depth, call), [])
                if not parts or parts[-1].key != key or parts[-1].place.line != place.line:
                    parts.append(Part(place, child, key, wait.start, wait.end))
                _add(parts[-1], wait, is_pause=is_last and is_direct)
        yield from ((task, parts) for parts in calls.values() if len(parts) > 1)


def _add(part: Part, wait: Wait, *, is_pause: bool) -> None:
    part.end = wait.end
    part.waited += wait.end - wait.start
    # A parent that gathers waits for others; a task of its own is as good as a call.
    others = wait.kind == "tasks" and part.child is None
    mine = wait.kind == "task" and part.child is not None
    part.outside |= mine or (wait.kind in _OUTSIDE and not others)
    part.pause |= wait.kind == "sleep" and is_pause
    part.stream |= wait.what in _STREAMS


def _child(trace: Trace, wait: Wait, by_task: dict[int, list[Wait]]) -> Place | None:
    """Return a line of the coroutine of a task that was awaited where it was spawned."""
    if wait.kind != "task" or wait.target not in by_task or not wait.places:
        return None
    target, here = trace.rows[wait.target], wait.places[-1]
    if target.parent != wait.task or target.place is None or target.place[:2] != here[:2]:
        return None
    places = by_task[wait.target][0].places
    return places[0] if places else None


class _Call:
    """The awaits of one call of a function, matched with its text."""

    def __init__(self, source: Source, parts: list[Part]) -> None:
        self.source = source
        self.parts = parts

    def runs(self, body: list[ast.stmt]) -> Iterator[Series]:
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
                and all(item.optional_vars for item in statement.items)
            ):
                yield from self.runs(statement.body)
            elif isinstance(statement, _SIMPLE):
                for node in walk_own(statement):
                    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
                        one = node.generators[0]
                        if not (node.generators[1:] or one.is_async or one.ifs):
                            yield from self._rounds(_awaiting(node), node, names_in(one.target))

    def _units(self, nodes: Sequence[Awaiting], *, again: bool) -> list[list[int]]:
        """Return the parts of each await, or of each round; none if one never waited outside."""
        units: list[list[int]] = []
        before, seen = -1, set()
        for number, part in enumerate(self.parts):
            found = [n for n, node in enumerate(nodes) if covers(node, part.place.line)]
            index = next((n for n in found if n > before or again), None)
            if index is None:
                continue
            if not units or index <= before or not again:
                units.append([])
            units[-1].append(number)
            before = index
            if part.outside:
                seen.add(index)
        if again and len(seen) < len(nodes):
            return []
        return [unit for unit in units if any(self.parts[n].outside for n in unit)]

    def _is_paced(self, node: ast.stmt) -> bool:
        """Return whether there was a pause inside of a statement: then the order is meant."""
        return any(part.pause for part in self.parts if covers(node, part.place.line))

    def _is_decided(self, node: ast.AST, statement: ast.stmt) -> bool:
        outer = [n for n in walk_own(statement) if isinstance(n, _DECIDING) and n is not node]
        return any(node in ast.walk(one) for one in outer)

    def _callee(self, call: ast.Call) -> tuple[Source, Function] | None:
        """Return the user's function that is called, if its source can be read."""
        for part in self.parts:
            if part.child and covers(call, part.place.line):
                home = read_source(part.child)
                scope = home.scope(part.child) if home else None
                if home is None or not isinstance(scope, FUNCTIONS):
                    continue
                # What runs under another function's name is a decorator's, or another call's.
                others = {function.name for function in self.source.functions} - {scope.name}
                if last_name(call.func) not in others:
                    return home, scope
        return None

    def _straight(self, block: list[ast.stmt]) -> Iterator[Series]:
        nodes: list[Awaiting] = []
        results: set[str] = set()
        shared: set[str] = set()
        for statement in [*block, ast.Break()]:  # which ends the last run
            if isinstance(statement, (*FUNCTIONS, ast.ClassDef, ast.Pass)):
                continue
            own = [] if isinstance(statement, ast.Break) else _awaiting(statement)
            loops = own and any(isinstance(n, _COMPREHENSIONS) for n in walk_own(statement))
            ends = loops or any(self._is_decided(node, statement) for node in own)
            if ends or not isinstance(statement, _SIMPLE) or (own and self._is_paced(statement)):
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

    def _found(self, nodes: list[Awaiting], shared: set[str]) -> Iterator[Series]:
        units = self._units(nodes, again=False) if len(nodes) > 1 else []
        lines = [self.parts[number].place.line for unit in units for number in unit]
        if len(units) > 1:
            seen = [node for node in nodes if any(covers(node, line) for line in lines)]
            yield Series(seen, None, shared, units)

    def _tie(self, one: Awaiting, other: Awaiting) -> set[str] | None:
        """Return the objects that two awaits share, None if one may need what the other does."""
        a, b = _call_of(one), _call_of(other)
        if a is None or b is None:
            return None  # a task by name, which was started before
        (state, objects), (others_state, others_objects) = self._uses(a), self._uses(b)
        common = names_in(a) & names_in(b)
        texts = [{d for d in map(ast.dump, _arguments(call)) if "value='" in d} for call in (a, b)]
        same = ast.dump(a.func) == ast.dump(b.func)
        # One name of a file, say, written by one and read by the other.
        if state & others_state or (texts[0] & texts[1] and not same):
            return None
        shared = (objects | others_objects) & common
        alike = (same and ast.dump(a) != ast.dump(b)) or (self._callee(a) and self._callee(b))
        serves = alike and self._serves(one) and self._serves(other)
        return shared if serves or not shared else None

    def _uses(self, call: ast.Call) -> tuple[set[str], set[str]]:
        """Return what a call may change, and the objects of which it uses parts, by name."""
        callee = self._callee(call)
        state = set(callee[0].shared(callee[1])) if callee else set()
        parts = [n for n in (ast.walk(callee[1]) if callee else ()) if not isinstance(n, ast.Name)]
        used, changed = {root_of(n) for n in parts}, {root_of(n) for n in parts if stores(n)}
        known = {"", *self.source.imports, *(function.name for function in self.source.functions)}
        objects, given = set(), list(call.args)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "run_in_executor":
            known |= {root_of(call.func)}  # a loop serves any number
        if isinstance(call.func, ast.Attribute) and root_of(call.func) not in known:
            given.insert(0, call.func.value)  # the object whose method it is
            objects.add(root_of(call.func))
        own = dict(enumerate(arg.arg for arg in callee[1].args.args)) if callee else {}
        pairs = [(own.get(number), arg) for number, arg in enumerate(given)]
        pairs += [(keyword.arg if callee else None, keyword.value) for keyword in call.keywords]
        for name, arg in pairs:
            if (root := root_of(arg)) not in known:
                if name in changed:
                    state.add(root)
                elif name is None or name in used or not isinstance(arg, ast.Name):
                    objects.add(root)
        return state, objects - state

    def _serves(self, node: Awaiting) -> bool:
        """Return whether it asks an object for something, as a client does: it can be asked again.

        What is awaited for its effect alone, or is one side of a conversation, has its order.
        """
        is_effect = isinstance(self.source.parents.get(node), ast.Expr)
        return not is_effect and not any(p.stream for p in self.parts if covers(node, p.place.line))

    def _loop(self, loop: ast.For) -> Iterator[Series]:
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
            made = statement.items if isinstance(statement, ast.AsyncWith) else [statement]
            for part in made if isinstance(statement, (ast.Assign, ast.AsyncWith)) else ():
                names = [n for n in walk_own(part) if isinstance(n, ast.Name)]
                if not {n.id for n in names if not stores(n)} & (carried - own):
                    own |= self._bound_by(part)
        yield from self._rounds(nodes, loop, own)

    def _rounds(
        self, nodes: list[Awaiting], loop: ast.For | ast.expr, own: set[str]
    ) -> Iterator[Series]:
        shared: set[str] = set()
        for node in nodes:
            if (call := _call_of(node)) is None:
                return
            state, objects = self._uses(call)
            serves = names_in(call) & own and self._serves(node)
            if state or (objects - own and not serves):
                return
            shared |= objects - own
        units = self._units(nodes, again=True) if nodes else []
        if len(units) > 1:
            yield Series(nodes, loop, shared, units)

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


def _call_of(node: Awaiting) -> ast.Call | None:
    """Return the call that is awaited, without what asyncio wraps around it."""
    call: ast.expr = node.value if isinstance(node, ast.Await) else node
    while isinstance(call, ast.Call) and call.args and last_name(call.func) in _WRAPPERS:
        call = call.args[0]
    return call if isinstance(call, ast.Call) else None


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _describe(trace: Trace, place: Place, times: list[tuple[int, Series, float, float]]) -> Finding:
    """Return the finding about awaits in a row; with many calls, about the average one."""
    task, run, *_ = times[0]
    where = called(place.function)
    parts = round(sum(len(one[1].units) for one in times) / len(times))
    total = sum(one[2] for one in times) / len(times)
    together = sum(one[3] for one in times) / len(times)
    often, average = (f", {spell(len(times))} times", " on average") if times[1:] else ("", "")
    if run.loop is None:
        last = run.nodes[-1].end_lineno or run.nodes[-1].lineno
        until = f" (to line {last})" if last != place.line else ""
        what, none = f"These {spell(parts)} awaits", "none needs what another does"
        calls = ", ".join(ast.unparse(_call_of(node) or node) for node in run.nodes)
    else:
        # What an `async with` waits for when it is left looks like one more round.
        number = f"{spell(parts)} " if all(isinstance(n, ast.Await) for n in run.nodes) else ""
        until, none = "", "no round needs what another does"
        what = f"The {number}rounds of the loop"
        one = getattr(run.loop, "generators", [run.loop])[0]
        single = number and len(run.nodes) == len(getattr(run.loop, "body", [0])) == 1
        call = ast.unparse(_call_of(run.nodes[0]) or run.nodes[0]) if single else "..."
        calls = f"*({call} for {ast.unparse(one.target)} in {ast.unparse(one.iter)})"
    if shared := {name for _, r, *_ in times for name in r.shared}:
        names = [f"`{name}`" for name in sorted(shared)]
        none += f", and if {join_words(names)} can serve several at once"
    message = (
        f"{what}{f' in {where}' if where else ''}{at(place)}{until} ran one after another{often}: "
        f"{format_duration(total, rough=True)}{average}; if {none}, together they could take "
        f"{format_duration(together, rough=True)}."
    )
    fix = (
        f"If so, start them together: `await asyncio.gather({calls if len(calls) < 99 else '...'})`"
        f", or give each its own task in an `asyncio.TaskGroup`."
    )
    saving = (total - together) * len(times)
    return finding("one-after-another", trace.rows[task], saving, place, message, fix)
