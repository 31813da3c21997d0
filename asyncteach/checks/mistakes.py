"""Hints on exceptions that learners meet, by what their messages say."""

_HINTS = (
    # What the message contains, a hint, and a stronger one. The first that fits is told.
    (
        ("object is not callable",),
        "Something is called that is no function. Has a function been called too early, and what "
        "it gave been handed on in its place?",
        "`later(work(1))` calls work at once and hands on what it gives; `later(work, 1)` hands "
        "on the function itself and its argument, so that it is called later.",
    ),
    (
        (
            "got <bound method",
            "got <function",
            *(f"object {kind} can't be used in 'await'" for kind in ("function", "method")),
            *(f"'{kind}' object can't be awaited" for kind in ("function", "method")),
        ),
        "That is a function itself, and not yet what it gives. Is something missing behind its "
        "name?",
        "`work` is the function; `work()`, with brackets, calls it and gives the coroutine that "
        "can be awaited, or made a task of.",
    ),
    (
        ("'coroutine'", "coroutine object", "'Task'", "'_asyncio.Task'", "'_asyncio.Future'"),
        "Something was used before it was there. Is there an `await`?",
        "Calling a coroutine function only makes a coroutine: `await` gives what it returns.",
    ),
    (
        ("object Future can't be used in 'await'", "'Future' object can't be awaited"),
        "That is a pool's own future, for which a thread can wait. What gives one for the loop?",
        "`loop.run_in_executor(...)` gives a future that can be awaited, and "
        "`asyncio.wrap_future(...)` makes one of a pool's.",
    ),
    (
        ("pickle",),
        "What another process is sent is pickled, and a function by its name only: where is yours "
        "from?",
        "A lambda, or a function that is defined in a cell, has no name that another process can "
        "import: send a function of a module, and its arguments after it.",
    ),
    (
        ("'async_generator' object is not iterable",),
        "What comes bit by bit, and has to be waited for, needs another kind of loop. Which?",
        "`async for` goes through an async generator, `for` only through what is there already.",
    ),
    (
        ("'async_generator' object",),
        "An async generator is no block that closes itself, and its close has another name. What "
        "makes a block of it?",
        "`aclosing(...)` from contextlib is for `async with`; without it `aclose()` is to be "
        "awaited.",
    ),
    (
        ("context manager protocol",),
        "There are two kinds of `with`. Which one does this thing want?",
        "What asyncio gives, a lock or a timeout, is entered with `async with`; a lock of threads "
        "with `with`.",
    ),
    (
        ("InvalidStateError",),
        "A result was asked for before it was there. Who waits until the task is done?",
        "`await task` waits until it is done, and gives its result.",
    ),
    (
        ("object async_generator can't", "object generator can't", "generator' object can't"),
        "A function with a `yield` in it is a generator, and can't be awaited. Is one wanted?",
        "`return` hands back a result; `yield` hands on one thing after another, to a loop.",
    ),
    (
        ("Passing coroutines is forbidden", "no attribute 'add_done_callback'"),
        "`asyncio.wait` wants tasks. What have you given it, and who makes a task of it?",
        "`asyncio.create_task(work())`: call the function, and make a task of what it gives.",
    ),
    (
        ("unhashable type: 'list'",),
        "Has a list been handed over where single things are wanted, as by `asyncio.gather`?",
        "A `*` in front of a list hands over what is in it, one by one: `gather(*plans)`.",
    ),
    (
        ("RecursionError",),
        "A function calls itself again and again. When does it come to an end?",
        "To do something again and again needs a loop. And is that name still the function that "
        "you mean, or your own one by the same name?",
    ),
    (
        ("SystemExit",),
        "That ends a whole program, and the kernel with it. How does a function come to its end?",
        "`return` ends a function, and `raise ValueError(...)` tells that something went wrong.",
    ),
    (
        (
            "used in 'await' expression",
            "can't be awaited",
            "coroutine was expected",
            "awaitable is",
        ),
        "What is awaited, or handed to asyncio, has to be a coroutine, a task or a future. Which "
        "function gives none?",
        "An `await` inside the brackets has given a result already; and an ordinary function has "
        "done all its work, and has held the loop for it, before anybody can await what it gave.",
    ),
    (
        ("running event loop", "already running", "another loop is running"),
        "The loop is there already: what runs on it needs no loop of its own.",
        "`asyncio.run()` starts a loop, so it belongs outside of all coroutines; inside of one, "
        "and in a notebook's cell, there's `await`.",
    ),
    (
        ("is bound to a different event loop", "attached to a different loop"),
        "Something was made on one loop and is used on another.",
        "Make locks, queues and tasks inside the coroutine that uses them.",
    ),
    (
        ("cannot reuse already awaited coroutine",),
        "A coroutine object can be awaited once.",
        "Call the function again for each time it is to run, or keep a task: that can be awaited "
        "as often as you like.",
    ),
    (
        ("SQLite objects created in a thread",),
        "A connection belongs to the thread that has opened it. In which thread does each of your "
        "calls run?",
        "Let one ordinary function open it, ask and close it, and hand that over as a whole: "
        "`asyncio.to_thread(visit, ...)`.",
    ),
    (
        ("positional argument", "keyword argument"),
        "The function has to take the arguments that it was given with, in their order.",
        "Compare the line with `def` with the one that you were given: only what is inside is to "
        "be changed.",
    ),
    (
        ("NameError", "UnboundLocalError"),
        "Is that name spelled as where it is made, and has that cell been run?",
        "What the function needs comes in by its arguments: use their names.",
    ),
    (
        ("TimeoutError",),
        "A time limit has run out. Who was to deal with that?",
        "`asyncio.timeout` and `asyncio.wait_for` raise TimeoutError where the limit was set: "
        "that's the place to catch it, outside of the block.",
    ),
    (
        ("CancelledError",),
        "Somebody has cancelled what this awaits. Who was to deal with that?",
        "Awaiting a task that was cancelled raises CancelledError in who awaits it.",
    ),
)
_GROUPED = (
    "`except` doesn't look into a group, as a TaskGroup raises it. Which form of it does?",
    "`except* ValueError:` catches what is in a group; around a TaskGroup the plain form never "
    "sees it.",
)
_OWN_CALL = (
    "What does the function that is called in that line want between its brackets?",
    "The text of the exercise and the code that you began with show what it is given.",
)
_ANY = (
    "Go to that line: which of its values isn't what you expect there?",
    "Put a `print` of that line's values before it, and run both cells once more.",
)


def find_hints(text: str, *, group: bool, inside: bool) -> tuple[str, str]:
    """Return a hint and a stronger one on `TypeError: ...`.

    `group` tells if it came in an ExceptionGroup, and `inside` if it was raised below one of the
    user's lines: who has called something wrongly is known then.

    >>> find_hints("NameError: name 'asincio' is not defined", group=False, inside=True)[0]
    'Is that name spelled as where it is made, and has that cell been run?'
    """
    if "required positional argument" in text and inside:
        return _OWN_CALL
    for words, hint, stronger in _HINTS:
        if any(word in text for word in words):
            return hint, stronger
    return _GROUPED if group else _ANY
