"""The writing rules of the lessons, checked over every notebook; each fault with its cell."""

import ast
import re
import statistics
from itertools import groupby
from pathlib import Path

import pytest
from lesson import NOTEBOOKS, Cell, Lesson, read_lesson, texts_of

LESSONS = [read_lesson(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
NUMBERED = [lesson for lesson in LESSONS if lesson.number is not None]
WORDS = Path(__file__).parent.parent / "words.txt"

MEDIAN_LINES, MOST_LINES = 4, 15
MOST_IN_A_ROW = 3
MOST_AGAIN = 4
TAGS = {
    "again": "shows once more what has been predicted and explained",
    "exercise-setup": "an answer needs it",
    "experiment": "needs a prediction and an explanation, and can't be told for one by its calls",
    "nbval-ignore-output": "its output differs from run to run",
    "raises-exception": "has to raise",
    "script": "is a script as people paste it, with imports of its own",
}

every_notebook = pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.path.stem)
every_lesson = pytest.mark.parametrize("lesson", NUMBERED, ids=lambda one: one.path.stem)


def check(rule, lesson):
    __tracebackhide__ = True
    if faults := list(rule(lesson)):
        pytest.fail(f"{lesson.path.name}:\n  " + "\n  ".join(faults), pytrace=False)


# The shape of a lesson


def title_faults(lesson):
    first = lesson.cells[0]
    if first.id != "title" or not first.source.startswith("# "):
        yield f"the first cell, {first.id!r}, must be the title: the id `title`, and `# Verb ...`"
    parts = ("**What you'll do:**", "**What you'll learn:**", "**What you need:**")
    places = [first.source.find(part) for part in parts]
    if -1 in places or places != sorted(places):
        yield f"title: needs {', '.join(parts)}, in that order"
    if not re.search(r"\bAbout \d+ minutes\b", first.source):
        yield "title: needs `About 20 minutes.`, say, under What you need"


def order_faults(lesson):
    names = [cell.id for cell in lesson.cells]
    if names[1:2] != ["imports"]:
        yield f"the second cell is {names[1]!r} and must be `imports`"
    if names[-3:] != ["summary", "progress", "on-your-own"]:
        yield f"it ends in {names[-3:]}, and must end in summary, progress, on-your-own"
    for name, start in (("summary", "## Summary"), ("on-your-own", "## On your own")):
        cell = lesson.cell(name)
        if cell and not cell.source.startswith(start):
            yield f"{name}: must begin with `{start}`"
    progress = lesson.cell("progress")
    if progress and progress.source != f"show_progress({lesson.number})":
        yield f"progress: must be `show_progress({lesson.number})` and nothing else"


def exercise_faults(lesson):
    names = [cell.id for cell in lesson.cells]
    checks = [name for name in names if re.fullmatch(r"exercise(-\d+)?-check", name)]
    if not checks:
        yield "it has no exercise that is checked: a cell `exercise-check`"
    for name in checks:
        stem = name.removesuffix("-check")
        own = [stem, f"{stem}-answer", name, f"{stem}-solution"]
        places = [names.index(one) if one in names else -1 for one in own]
        if -1 in places or places != sorted(places):
            yield f"{stem}: needs the cells {', '.join(own)}, in that order"
            continue
        task, _, _, solution = (lesson.cell(one) for one in own)
        if "**" not in task.source and not any(
            "**" in cell.source for cell in lesson.cells[places[0] : places[1]] if not cell.is_code
        ):
            yield f"{stem}: its task has to be one bold sentence"
        for summary in ("A hint", "The solution"):
            if f"<summary>{summary}</summary>" not in solution.source:
                yield f"{stem}-solution: has no `<details><summary>{summary}</summary>`"


def next_faults(lesson):
    following = next((one for one in NUMBERED if one.number == lesson.number + 1), None)
    last = lesson.cells[-1].source
    if following and f"**Next:** [{following.path.stem}]({following.path.name})" not in last:
        yield (
            f"on-your-own: must end with `**Next:** [{following.path.stem}]"
            f"({following.path.name})` and what it is about"
        )


def import_faults(lesson):
    for cell in lesson.code:
        nodes = [n for n in ast.walk(cell.tree()) if isinstance(n, ast.Import | ast.ImportFrom)]
        if nodes and cell.id != "imports" and "script" not in cell.tags:
            yield f"{cell.id}: imports in line {nodes[0].lineno}; all imports go to cell `imports`"
    imports = lesson.cell("imports")
    if imports and imports.is_code:
        used = set(re.findall(r"\w+", "\n".join(c.source for c in lesson.code if c != imports)))
        for node in ast.walk(imports.tree()):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    name = (alias.asname or alias.name).partition(".")[0]
                    if name not in used:
                        yield f"imports: {name} is imported and never used"


def line_faults(lesson):
    cells = [cell for cell in lesson.code if cell.lines]
    median = statistics.median(cell.lines for cell in cells)
    if median > MEDIAN_LINES:
        yield f"code cells have {median:g} lines at the median, and should have {MEDIAN_LINES}"
    for cell in cells:
        if cell.lines > MOST_LINES and "script" not in cell.tags:
            yield f"{cell.id}: {cell.lines} lines of code, more than {MOST_LINES}: split it"


def row_faults(lesson):
    for is_code, group in groupby(lesson.cells, key=lambda cell: cell.is_code):
        row = [cell.id for cell in group]
        if is_code and len(row) > MOST_IN_A_ROW:
            yield f"{', '.join(row)}: {len(row)} code cells in a row, with no word between them"


def experiment_faults(lesson):
    """Walk through the lesson as a reader does, with what has been predicted and not explained."""
    predicted, unexplained = False, []
    if len([cell for cell in lesson.code if "again" in cell.tags]) > MOST_AGAIN:
        yield f"more than {MOST_AGAIN} cells have the tag `again`: predict and explain some of them"
    for cell in lesson.cells:
        if cell.is_experiment:
            if not predicted:
                yield (
                    f"{cell.id}: an experiment without a **Predict:** since the last "
                    "**What happened:** (or with the tag `again` if it only shows it once more)"
                )
            unexplained.append(cell.id)
        elif cell.is_code:
            predicted |= "predict" in cell.calls()
            continue
        for mark in re.findall(r"^#+ |\*\*Predict\b|\*\*What happened:\*\*", cell.source, re.M):
            if mark == "**What happened:**":
                predicted, unexplained = False, []
            elif unexplained and not cell.is_code:
                yield f"{', '.join(unexplained)}: no **What happened:** before {cell.id}"
                unexplained = []
            predicted |= mark == "**Predict"
    if unexplained:
        yield f"{', '.join(unexplained)}: no **What happened:** after it"


@pytest.mark.parametrize(
    "rule",
    [
        title_faults,
        order_faults,
        exercise_faults,
        next_faults,
        import_faults,
        line_faults,
        row_faults,
        experiment_faults,
    ],
    ids=lambda rule: rule.__name__.removesuffix("_faults"),
)
@every_lesson
def test_a_lesson_keeps_the_rhythm(lesson, rule):
    check(rule, lesson)


# What holds for every notebook


def heading_faults(lesson):
    found = [(cell.id, *heading) for cell in lesson.words for heading in cell.headings()]
    if [level for _, level, _ in found].count(1) != 1 or found[0][1] != 1:
        yield "it needs one heading `# `, at its very beginning"
    before = 1
    for name, level, text in found[1:]:
        if level > before + 1:
            yield f"{name}: `{'#' * level} {text}` stands right below `{'#' * before}`"
        before = level
    texts = [text for _, level, text in found if level == 2]
    for text in sorted({text for text in texts if texts.count(text) > 1}):
        yield f"two headings are `## {text}`"


def id_faults(lesson):
    names = [cell.id for cell in lesson.cells]
    for name in names:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or len(name) > 40:
            yield f"{name!r}: an id is of small letters, digits and hyphens, as `explain-together`"
        elif re.fullmatch(r"[0-9a-f]{8,}|[0-9a-f-]{32,}", name) or not re.search("[a-z]{3}", name):
            yield f"{name!r}: an id is written by hand, in words, as `explain-together`"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: two cells have this id"


def link_faults(lesson):
    for cell in lesson.words:
        for text, target in cell.links():
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            file, _, anchor = target.partition("#")
            path = NOTEBOOKS / file if file else lesson.path
            if not path.exists():
                yield f"{cell.id}: there is nothing at [{text}]({target})"
            elif anchor and path.suffix == ".ipynb":
                known = {
                    heading.replace(" ", "-") for c in read_lesson(path).words
                    for _, heading in c.headings()
                }  # fmt: skip
                if anchor not in known:
                    yield f"{cell.id}: {path.name} has no heading for [{text}]({target})"


def alt_faults(lesson):
    for cell in lesson.words:
        if re.search(r"!\[\s*\]\(", cell.source):
            yield f"{cell.id}: a picture without words between its brackets"
        for image in re.findall(r"<img\b[^>]*>", cell.source):
            if not re.search(r'\balt="[^"]+"', image):
                yield f"{cell.id}: a picture without alt text"
    for cell in lesson.code:
        for output in cell.outputs:
            for kind in output.get("data", {}):
                about = output.get("metadata", {}).get(kind)
                if kind in ("image/png", "image/jpeg") and not (about or {}).get("alt"):
                    yield f"{cell.id}: a figure without alt text"


def output_faults(lesson):
    cells = [cell for cell in lesson.code if cell.lines]
    counts = [cell.count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        yield "its outputs aren't those of Run All: run it from its first cell to its last"
    for cell in cells:
        kinds = {output["output_type"] for output in cell.outputs}
        if "error" in kinds and "raises-exception" not in cell.tags:
            yield f"{cell.id}: its stored output is an error"
        text = "\n".join(texts_of(cell))
        if "nbval-ignore-output" not in cell.tags and re.search(r"\b0x[0-9a-f]{6,}", text):
            yield f"{cell.id}: its output has an address in memory, which differs each time"
        if re.search(r"/(home|tmp|root|work|usr)/(?!ipykernel_)", text):
            yield f"{cell.id}: its output has a path of the machine it was made on"


def metadata_faults(lesson):
    for cell in lesson.cells:
        if extra := set(cell.metadata) - {"tags"}:
            yield f"{cell.id}: has metadata that no reader needs: {', '.join(sorted(extra))}"
        for tag in set(cell.tags) - set(TAGS):
            yield f"{cell.id}: there is no tag {tag!r}, only {', '.join(TAGS)}"
    spec = lesson.metadata["metadata"].get("kernelspec", {})
    if spec.get("name") != "python3" or (lesson.metadata["nbformat_minor"] < 5):
        yield "it has to be of nbformat 4.5 or later, with the kernel python3"


# One term for one idea, the field's own, and in British spelling.
TERMS = {
    r"co-routines?": "coroutine",
    r"event-loops?|eventloops?": "event loop",
    r"sub-process(es)?": "subprocess",
    r"multi-?threading|multi-?threaded": "threads, in threads",
    r"green threads?|fibers?|fibres?": "task",
    r"runnable": "ready",
    r"(task|coroutine)s? (is|are) (suspended|pending|sleeping|blocked|idle)": "waiting",
    r"cancel(ed|ing|ation)": "cancelled, cancelling, cancellation",
    r"asyncIO|AsyncIO|ASYNCIO|Asyncio": "asyncio",
    r"sub-?routines?": "function",
    r"wall-?clock": "real time",
    r"(behavior|color|favorite|neighbor|honor|flavor)(s|ed|ing|al)?": "behaviour, colour, ...",
    r"center(s|ed)?|gray|labeled|labeling|traveled|catalog|fulfill": "centre, grey, labelled, ...",
    r"(analyz|synchroniz|recogniz|organiz|realiz|serializ)\w+": "-yse, -ise",
}


def readable(lesson) -> list[tuple[Cell, str]]:
    """Return each cell with the words that a reader reads in it."""
    found = [(cell, cell.prose()) for cell in lesson.words]
    return found + [(cell, text) for cell in lesson.code for text in cell.comments()]


def term_faults(lesson):
    for cell, text in readable(lesson):
        for pattern, better in TERMS.items():
            flags = 0 if "asyncIO" in pattern else re.I
            for match in re.finditer(rf"\b({pattern})\b", text, flags):
                yield f"{cell.id}: {match[0]!r}: the course says {better}"


@pytest.mark.parametrize(
    "rule",
    [
        heading_faults,
        id_faults,
        link_faults,
        alt_faults,
        output_faults,
        metadata_faults,
        term_faults,
    ],
    ids=lambda rule: rule.__name__.removesuffix("_faults"),
)
@every_notebook
def test_a_notebook_is_in_order(lesson, rule):
    check(rule, lesson)


# Words


def own_words() -> set[str]:
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def words_in(text: str) -> list[str]:
    """Return the words of a text in small letters, without what no dictionary has."""
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    found = re.findall(r"(?<![\w.@/&#])[A-Za-z]+(?:'[a-z]+)?(?![\w@/]|\.\w|[(_])", text)
    return [re.sub(r"'s$|^'|'$", "", word).lower() for word in found]


@pytest.fixture(scope="module")
def dictionary():
    """Return the words of an English dictionary."""
    spellchecker = pytest.importorskip("spellchecker")
    return spellchecker.SpellChecker(language="en")


@every_notebook
def test_words_are_in_the_dictionary_or_are_our_own(lesson, dictionary):
    def faults(lesson):
        own = own_words()
        for cell, text in readable(lesson):
            for word in sorted(dictionary.unknown(words_in(text)) - own):
                yield f"{cell.id}: {word!r} is in no dictionary: a slip, or a line in words.txt?"

    check(faults, lesson)


@pytest.mark.parametrize("place", ["README.md", "00-start-here.ipynb", "for-teachers.ipynb"])
def test_every_lesson_is_listed(place):
    path = NOTEBOOKS.parent / place if place == "README.md" else NOTEBOOKS / place
    text = path.read_text(encoding="utf-8")
    names = [lesson.path.name for lesson in NUMBERED if lesson.path.name != place]
    assert [name for name in names if name not in text] == []


def test_our_own_words_are_sorted_and_needed(dictionary):
    lines = [line for line in WORDS.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert lines == sorted(set(lines))
    assert not set(lines) - dictionary.unknown(lines), "words that the dictionary has"


# The rule that reads a lesson from its beginning to its end


def lesson_of(*cells):
    """Return a lesson of cells `id: source`; a source in code begins with `!`, tags follow `#`."""
    made = []
    for text in cells:
        own, source = text.split(": ", 1)
        source, _, tag = source.partition(" #tag ")
        kind = "code" if source.startswith("!") else "markdown"
        made.append(Cell(own, kind, source.removeprefix("!"), tuple(filter(None, [tag]))))
    return Lesson(Path("04-test.ipynb"), tuple(made))


P, RUN, H = "p: **Predict:** when?", "run: !run_in_turn(CHORES)", "h: **What happened:** this."


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ([P, RUN, H], ""),
        (["p: !guess = predict(CHORES, together=...)", RUN, H], ""),
        ([P, "run: !%%timeline\nawait x", H], ""),
        ([f"{RUN} #tag again"], ""),
        ([RUN, H], "run: an experiment without a **Predict:**"),
        ([P, RUN], "run: no **What happened:** after it"),
        ([P, RUN, H, "b: !record()", H], "b: an exp"),
        ([P, RUN, "n: ## Next"], "run: no **What happened:** before n"),
    ],
)
def test_an_experiment_is_predicted_and_explained(cells, fault):
    found = list(experiment_faults(lesson_of(*cells)))
    assert bool(found) == bool(fault)
    assert not fault or found[0].startswith(fault)
