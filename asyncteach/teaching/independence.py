"""Which awaits of a function could as well have run together, as far as its text can tell.

Awaits that look as if they might need each other count as dependent: nobody is told to start
together what has to come in order.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from asyncteach.teaching.phrases import words_of
from asyncteach.teaching.source import COMPREHENSIONS, LOOPS, Function, Scope, Source, walk_own
from asyncteach.teaching.state import immutable, state_of, value_like
from asyncteach.teaching.statements import awaits, loaded, quiet, stored

Callee = tuple[Source, Function]
Lookup = Callable[[str], Callee | None]

# What is called like this has its place in an order, is slow on purpose, or is to be compared.
_ORDERED = {
    *("acquire", "after", "animate", "announce", "answer", "ask", "assert", "async"),
    *("asynchronous", "attempt", "backoff", "bad", "bare", "before", "begin", "bench"),
    *("benchmark", "better", "blocking", "boot", "case", "chapter", "check", "clean"),
    *("cleanup", "close", "commit", "compare", "concurrent", "concurrently", "connect"),
    *("consume", "countdown", "create", "delay", "delete", "demo", "disconnect", "display"),
    *("drain", "draw", "drop", "emit", "end", "ensure", "enter", "example", "exit"),
    *("experiment", "fast", "finish", "first", "flush", "good", "init", "initialise"),
    *("initialize", "input", "join", "last", "leave", "lesson", "limit", "lock", "login"),
    *("logout", "main", "measure", "migrate", "move", "naive", "new", "next", "nonblocking"),
    *("old", "open", "option", "parallel", "part", "pause", "phase", "play", "poll", "prepare"),
    *("prev", "previous", "print", "produce", "profile", "prompt", "publish", "put", "ready"),
    *("release", "remove", "render", "retry", "right", "rollback", "run", "say", "scenario"),
    *("second", "send", "sequential", "sequentially", "serial", "serve", "set", "setup"),
    *("show", "shutdown", "simple", "sleep", "slow", "slowly", "speak", "stage", "start"),
    *("step", "stop", "sync", "synchronous", "take", "tear", "teardown", "test", "then"),
    *("third", "throttle", "tick", "time", "timed", "timing", "together", "trial", "try"),
    *("turn", "type", "unlock", "variant", "verify", "version", "wait", "warm", "way", "with"),
    *("without", "write", "wrong"),
}
_WRAPPERS = ("asyncio.create_task", "asyncio.ensure_future", "asyncio.wait_for", "asyncio.shield")
# The library's own stand-in for work that waits: it sleeps twice.
_STANDINS = ("async_task", "asyncteach.async_task", "asyncteach.activities.async_task")
# Clients that are made to be used by many tasks at once.
_SHAREABLE = ("ClientSession", "AsyncClient")


@dataclass(frozen=True, eq=False)
class Job:
    """One await of a call whose place in the order doesn't matter."""

    node: ast.Await
    call: ast.Call
    name: str
    callee: Callee | None

    def reads(self) -> set[str]:
        """Return the names that its arguments are made from."""
        return {n.id for n in ast.walk(self.call) if isinstance(n, ast.Name)}


@dataclass(frozen=True, eq=False)
class Run:
    """Jobs that follow each other in one block, or that each round of a loop repeats."""

    jobs: Sequence[Job]
    loop: ast.For | ast.expr | None = None


def find_runs(source: Source, scope: Scope, lookup: Lookup) -> list[Run]:
    """Return what could have run together in a function; lookup finds what a name calls."""
    return list(_Reader(source, scope, lookup).runs())


class _Reader:
    """Reads one function."""

    def __init__(self, source: Source, scope: Scope, lookup: Lookup) -> None:
        self.source, self.scope, self.lookup = source, scope, lookup
        self.shareable: set[str] = set()

    def runs(self) -> Iterator[Run]:
        for block in self._blocks(self.scope.body):
            yield from self._straight(block)
            for statement in block:
                if isinstance(statement, ast.For):
                    yield from self._loop(statement)
                elif isinstance(statement, (ast.Assign, ast.Expr, ast.Return, ast.AnnAssign)):
                    yield from self._comprehension(statement)

    def _blocks(self, body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
        """Give the blocks that run once, and in which an error isn't part of the plan."""
        yield body
        for statement in body:
            if isinstance(statement, ast.If):
                yield from self._blocks(statement.body)
                yield from self._blocks(statement.orelse)
            elif isinstance(statement, ast.With) or self._shares(statement):
                yield from self._blocks(statement.body)  # type: ignore[attr-defined]

    def _shares(self, statement: ast.stmt) -> bool:
        """Tell if it is an `async with` that opens nothing but a client made to be shared."""
        if not isinstance(statement, ast.AsyncWith):
            return False
        for item in statement.items:
            call, name = item.context_expr, item.optional_vars
            known = isinstance(call, ast.Call) and self.source.name(call.func).endswith(_SHAREABLE)
            if not known or not isinstance(name, ast.Name):
                return False
            self.shareable.add(name.id)
        return True

    def _job(self, node: ast.Await, statement: ast.AST) -> Job | None:
        """Return the await as a job; None where its place in the order may matter."""
        call = node.value
        while isinstance(call, ast.Call) and self.source.name(call.func) in _WRAPPERS:
            call = call.args[0] if call.args else call.func
        if not isinstance(call, ast.Call) or awaits(call):
            return None
        full = self.source.name(call.func)
        imported = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        if imported and call.func.value.id not in self.source.imports:  # type: ignore[attr-defined]
            return None  # a method: the object may remember what was asked of it before
        if not imported and not isinstance(call.func, ast.Name):
            return None
        name = full.rpartition(".")[2]
        callee = self.lookup(name)
        if full not in _STANDINS and (callee is None or words_of(name) & _ORDERED):
            return None
        # Whether and when it is awaited at all is decided by what came before it.
        decides = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.Await, ast.NamedExpr, ast.Yield)
        for outer in self.source.around(node):
            if outer is statement:
                break
            if isinstance(outer, decides):
                return None
        return Job(node, call, name, callee)

    def _straight(self, block: list[ast.stmt]) -> Iterator[Run]:
        jobs: list[Job] = []
        results: set[str] = set()
        for statement in block:
            simple = isinstance(
                statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
            )
            found = [self._job(n, statement) for n in awaits(statement)] if simple else []
            good = [job for job in found if job is not None]
            loops = any(isinstance(n, COMPREHENSIONS) for n in walk_own(statement)) and found
            if not simple or loops or len(good) < len(found) or not (found or quiet(statement)):
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Pass)):
                    continue
                yield from self._cut(jobs)
                jobs, results = [], set()
                continue
            for job in good:
                if job.reads() & results or any(self._share(job, other) for other in jobs):
                    yield from self._cut(jobs)
                    jobs, results = [], set()
                jobs.append(job)
            if jobs and (good or loaded(statement) & results):
                results |= stored(statement)
        yield from self._cut(jobs)

    def _cut(self, jobs: list[Job]) -> Iterator[Run]:
        if len(jobs) > 1:
            yield Run(tuple(jobs))

    def _share(self, one: Job, other: Job) -> bool:
        """Tell if two jobs may touch the same thing."""
        if one.callee and other.callee and state_of(*one.callee) & state_of(*other.callee):
            return True
        theirs = {ast.dump(arg) for arg in _arguments(other)}
        return any(
            ast.dump(arg) in theirs and self._risky(arg, one, other) for arg in _arguments(one)
        )

    def _risky(self, arg: ast.expr, *jobs: Job) -> bool:
        """Tell if handing the same argument to these jobs may tie them together."""
        if isinstance(arg, ast.Constant):
            # One name of a file, written by one and read by the other.
            return isinstance(arg.value, (str, bytes)) and len({job.name for job in jobs}) > 1
        if not isinstance(arg, ast.Name):
            return isinstance(arg, (ast.Attribute, ast.Subscript, ast.Starred))
        if arg.id in self.shareable or immutable(self.source, arg.id, self.scope):
            return False
        return not all(
            job.name in _STANDINS or (job.callee and value_like(*job.callee, job.call, arg.id))
            for job in jobs
        )

    def _loop(self, loop: ast.For) -> Iterator[Run]:
        """Give the run of a loop if no round needs what an earlier one has left."""
        every = awaits(loop)
        inner = [n for n in walk_own(loop) if n is not loop.iter]
        stops = (*LOOPS, *COMPREHENSIONS, ast.Break, ast.Return, ast.Raise, ast.Try, ast.With)
        found = [self._job(node, loop) for node in every]
        jobs = [job for job in found if job is not None]
        if loop.orelse or not jobs or len(jobs) < len(found) or awaits(loop.iter):
            return
        if any(isinstance(node, (*stops, ast.AsyncWith, ast.Match)) for node in inner):
            return
        own = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        carried = set().union(*(stored(statement) for statement in loop.body))
        for statement in loop.body:
            here = [job for job in jobs if job.node in set(awaits(statement))]
            if isinstance(statement, ast.If) and here:
                return
            if not here and not quiet(statement):
                return
            for job in here:
                read = job.reads()
                if read & carried - own or not read & own or job.name in own:
                    return
                if self._ties(job, own):
                    return
            # What a round has made for itself, it may use.
            if isinstance(statement, (ast.Assign, ast.AnnAssign)) and not loaded(statement) & (
                carried - own
            ):
                own |= stored(statement)
        yield Run(tuple(jobs), loop)

    def _ties(self, job: Job, own: set[str]) -> bool:
        """Tell if calling this again and again may touch the same thing each time."""
        if job.callee and state_of(*job.callee):
            return True
        return any(
            self._risky(arg, job)
            for arg in _arguments(job)
            if not {n.id for n in ast.walk(arg) if isinstance(n, ast.Name)} & own
        )

    def _comprehension(self, statement: ast.stmt) -> Iterator[Run]:
        for node in walk_own(statement):
            if not isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
                continue
            generator = node.generators[0]
            found = [self._job(n, node) for n in awaits(node)]
            jobs = [job for job in found if job is not None]
            if len(node.generators) > 1 or generator.is_async or generator.ifs:
                continue
            own = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
            good = jobs and len(jobs) == len(found)
            if good and all(j.reads() & own and not self._ties(j, own) for j in jobs):
                yield Run(tuple(jobs), node)


def _arguments(job: Job) -> list[ast.expr]:
    return [*job.call.args, *(keyword.value for keyword in job.call.keywords)]
