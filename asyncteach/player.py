"""replay(): a recording step by step, with the source beside it."""

import base64
import linecache
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from html import escape
from math import floor, inf, isnan, log10
from textwrap import wrap
from typing import Any, NamedTuple

import matplotlib as mpl

from asyncteach.arguments import check_options, check_recording
from asyncteach.domains import STORY
from asyncteach.formatting import clip, join_words
from asyncteach.places import Place
from asyncteach.recording import Recording
from asyncteach.timeline.export import wait_finder
from asyncteach.timeline.figure import Picture, draw_timelines, plot_timeline
from asyncteach.timeline.lanes import view_of
from asyncteach.timeline.layout import lay_sheet
from asyncteach.trace import READY, RUNNING, STATES, WAITING, Slices, Trace
from asyncteach.widgets import Slider, format_image, format_status, show_picture, show_view

__all__ = ["Player", "replay"]

MOST = 2000
"""So many steps are shown one by one: more than a person clicks through."""

_SHORT = 0.004
"""What takes a smaller part of the whole can't be seen: it is a moment."""

_NAME = 40
_WHY = 60
_FEW = 6
_LISTED = 40


class Player:
    """A recording as a sequence of moments, with buttons and a slider in a notebook.

    `sentences` describe the moments, `source(number)` shows the lines of one. Without widgets, in
    a terminal or on a page, it shows the timeline with the sentences below.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.script = Script(recording.trace)

    def __len__(self) -> int:
        """Return how many moments there are."""
        return len(self.script.moments)

    @cached_property
    def sentences(self) -> list[str]:
        """What happens, a sentence for each moment."""
        return [self.script.sentence(index) for index in range(len(self))]

    def source(self, number: int) -> str:
        """Return the lines around the one at which the moment of that number, from 1, is."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no moment {number}: choose one from 1 to {len(self)}.")
        return format_source(self.script.moments[number - 1].places)

    def __str__(self) -> str:
        """Return the list of the moments."""
        width = len(str(len(self)))
        lines = [f"Replay of {self.recording.heading()}"]
        shown = self.sentences[:_LISTED]
        lines += [f"{number:>{width}}. {text}" for number, text in enumerate(shown, 1)]
        if left := len(self) - len(shown) + self.script.cut:
            lines.append(f"... and {left:,} more moments")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Replay of {len(self)} moments: {self.recording.heading()}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        png, about = draw_filmstrip(self.recording, self.sentences[:_LISTED])._repr_png_()
        show_view(lambda widgets: Screen(widgets, self).root, "buttons")
        return {"image/png": png, "text/plain": str(self)}, {"image/png": about}


def replay(recording: Recording, **others: object) -> Player:
    """Step through a recording: which task starts and stops running, gets ready, waits for what.

    At the end of a notebook's cell it shows buttons and a slider, the timeline up to the moment, a
    sentence about what happens then, and the source with the task's current line marked. It takes
    any Recording, from a runner such as `run_together`, from `record()` or from `%%timeline`; only
    recordings of code have source lines. No code runs again. Times are in the unit of the
    recording, story minutes or seconds. Only the first 2,000 steps are shown.

    Returns a Player with the list `sentences` and the method `source(number)`. Raises TypeError
    for anything but a Recording.

    >>> from asyncteach import CHORES, run_in_turn
    >>> player = replay(run_in_turn(CHORES, clock="virtual"))
    >>> print(player.sentences[1])
    At 40 min cook rice runs for a moment and is done.
    """
    __tracebackhide__ = True
    check_options(
        "replay",
        others,
        (),
        "it steps through the whole recording; to see a part of it, draw it with "
        "recording.plot(start=0.1, end=0.4)",
    )
    return Player(check_recording(recording, "replay", "steps through"))


START, PASS, STOP, LATE, END = "start", "pass", "stop", "late", "end"
"""Starts running for longer; runs for a moment; stops running; is ready and has to wait; over."""

DONE = "done"
"""The state of a task that has finished."""


class Moment(NamedTuple):
    """Something that happens: when, what kind of thing, to which row, and what follows from it."""

    at: float
    kind: str
    row: int
    places: tuple[Place, ...] = ()
    """The user's lines at which the row is, from its own coroutine inwards."""
    state: str = DONE
    """The row's state right after it."""
    since: float = inf
    until: float = inf
    """When that state begins and ends."""
    why: str = ""
    """What it then waits for, in words, or its outcome."""


class Situation(NamedTuple):
    """How things stand at a time, once all that happens then has happened."""

    running: list[int]
    ready: list[int]
    waiting: list[tuple[int, str]]
    """With what each waits for."""


class _Slice(NamedTuple):
    start: float
    end: float
    order: int
    state: str


class Script:
    """The moments of a recording, in order, and a sentence for each."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.short = trace.duration * _SHORT
        self._find_wait = wait_finder(trace)
        self._blocks = {(block.task, block.start): block for block in trace.blocks}
        self._slices, self.cut = _first_of(trace.slices)
        """`cut`: how many steps there are beyond those that are shown."""
        own: dict[int, list[_Slice]] = defaultdict(list)
        for order, (row, state, start, end) in enumerate(self._slices.rows()):
            own[row].append(_Slice(start, end, order, STATES[state]))
        starts = {
            one.start
            for some in own.values()
            for one in some
            if one.state == RUNNING and one.end - one.start > self.short
        }
        # At one time the order is that of the steps; tasks that got ready meanwhile come last.
        strands = [one for row in own for one in self._strand(row, sorted(own[row]), starts)]
        self.moments = [moment for *_, moment in sorted(strands, key=lambda one: one[:2])]
        if not self.cut:
            self.moments.append(Moment(trace.duration, END, -1))
        self._unit = trace.domain.axis_unit(trace.duration)
        whole = trace.duration * self._unit.per_second
        self._digits = max(0, 3 - floor(log10(whole))) if whole > 0 else 0
        self._head = {"loop": "the loop"}.get(trace.head or "", trace.head)

    def _strand(
        self, row: int, own: list[_Slice], starts: set[float]
    ) -> Iterator[tuple[float, float, Moment]]:
        """Yield a row's moments, with what puts them in order among the others."""
        for index, (start, end, order, state) in enumerate(own):
            before = self._came_from(row, own, index)
            long = end - start > self.short
            # Another moment at that time, a start or a stop, may say it already.
            known = start in starts or (index and own[index - 1].state == RUNNING)
            if state == READY and long and not known:
                yield start, inf, Moment(start, LATE, row, before, READY, start, end)
            if state != RUNNING:
                continue
            after, state, until, why = self._goes_to(row, own, index)
            if long:
                block = self._blocks.get((row, start))
                if block and block.place:
                    before = (*[one for one in block.places if one != block.place], block.place)
                yield start, order, Moment(start, START, row, before, RUNNING, start, end)
            at, kind = (end, STOP) if long else (start, PASS)
            yield at, order, Moment(at, kind, row, after or before, state, end, until, why)

    def _came_from(self, row: int, own: list[_Slice], index: int) -> tuple[Place, ...]:
        """Return the lines at which a row goes on after what it awaited before that slice."""
        for start, end, _, state in reversed(own[max(0, index - 2) : index]):
            if state == WAITING and (wait := self._find_wait(row, start, end)):
                return wait.places
        spawned_at = self.trace.rows[row].place
        return (spawned_at,) if spawned_at and index < 2 else ()

    def _goes_to(
        self, row: int, own: list[_Slice], index: int
    ) -> tuple[tuple[Place, ...], str, float, str]:
        """Return at which lines a row is after that slice, its state, until when, and why."""
        if index + 1 == len(own):
            one = self.trace.rows[row]
            return (), DONE, inf, "still running" if isnan(one.finished) else one.outcome
        start, end, _, state = own[index + 1]
        if state != WAITING:
            return (), READY, end, ""
        wait = self._find_wait(row, start, end)
        return (wait.places if wait else ()), WAITING, end, self._why(row, start, end)

    def _why(self, row: int, start: float, end: float) -> str:
        wait = self._find_wait(row, start, end)
        return clip(wait.what or wait.kind, _WHY) if wait else ""

    def situation(self, at: float) -> Situation:
        """Return which rows are running, ready and waiting from that time on."""
        now = self._slices[(self._slices.start <= at) & (self._slices.end > at)]
        rows = {state: now.of(state).task.tolist() for state in (RUNNING, READY)}
        waiting = [
            (row, self._why(row, start, end)) for row, _, start, end in now.of(WAITING).rows()
        ]
        return Situation(rows[RUNNING], rows[READY], sorted(waiting))

    def sentence(self, index: int) -> str:
        """Return what happens at the moment of that index, as a sentence or two."""
        moment = self.moments[index]
        if moment.kind == END:
            return f"At {self._time(moment.at)} it is all over."
        now = self.situation(moment.since)
        words = f"At {self._time(moment.at)} {self._name(moment.row)} {self._happens(moment)}"
        words += f"{self._consequence(moment, now)}."
        # What runs in a thread leaves the loop alone.
        busy = [row for row in now.running + now.ready if not self._is_job(row)]
        later = self.moments[index + 1].at if index + 1 < len(self.moments) else 0.0
        if self._head and not busy and later - moment.at > self.short:
            words += f" Nothing needs {self._head} until {self._time(later)}."
        return words

    def states(self, index: int) -> list[tuple[str, str]]:
        """Return for each state the tasks that are in it at that moment."""
        now = self.situation(self.moments[index].since)
        # Of a thousand only the first few need their names.
        waiting = [
            f"{self._name(row)} ({why})" if why else self._name(row)
            for row, why in now.waiting[:_FEW]
        ]
        waiting += [""] * (len(now.waiting) - len(waiting))
        return [
            (RUNNING, self._list(now.running, _FEW) or "none"),
            (READY, self._list(now.ready, _FEW) or "none"),
            (WAITING, join_words(waiting, _FEW) or "none"),
        ]

    def _time(self, at: float) -> str:
        """Return a time in the unit of the whole recording: times are to be compared."""
        amount = round(at * self._unit.per_second, self._digits) + 0.0
        return f"{amount:.10g} {self._unit.short}"

    def _name(self, row: int) -> str:
        one = self.trace.rows[row]
        name = clip(one.label, _NAME)
        return f"{name} (in a {one.kind})" if self._is_job(row) else name

    def _list(self, rows: Sequence[int], most: int) -> str:
        names = [self._name(row) for row in rows[:most]]
        return join_words([*names, *[""] * (len(rows) - len(names))], most)

    def _is_job(self, row: int) -> bool:
        return self.trace.rows[row].kind != "task" and self.trace.head == "loop"

    def _happens(self, moment: Moment) -> str:
        where = f", at {moment.places[-1]}" if moment.places else ""
        if moment.kind == START:
            return f"starts running{where}"
        if moment.kind == LATE:
            onward = f" to go on at {moment.places[-1]}," if moment.places else ""
            return f"is ready{onward} and has to wait"
        now = "runs for a moment" if moment.kind == PASS else "stops running"
        if moment.state == READY:
            return f"{now} and is ready to go on{where}"
        if moment.state == WAITING and self.trace.domain is STORY:
            return f"{now}; its machine works for {self._time(moment.until - moment.since)}"
        if moment.state == WAITING:
            return f"{now}, then waits{f' for {moment.why}' if moment.why else ''}{where}"
        if self.trace.rows[moment.row].was_there and moment.why != "returned":
            return f"{now} and goes on after the recording"
        outcome = clip(moment.why, 120)
        if outcome.startswith("raised"):
            return f"{now}: it {outcome}"
        return f"{now} and is {'done' if outcome == 'returned' else outcome}"

    def _consequence(self, moment: Moment, now: Situation) -> str:
        """Return which rows have to wait because of it, or which row this one waits for."""
        if not self._head or self._is_job(moment.row):
            return ""  # what it runs on is not shared
        hands = "your hands" if self._head == "you" else self._head
        if moment.kind == LATE:
            holders = [row for row in now.running if not self._is_job(row)]
            return f": {self._name(holders[0])} has {hands}" if holders else ""
        if moment.kind == START and now.ready:
            verb = "is ready and has" if len(now.ready) == 1 else "are ready and have"
            return f"; {self._list(now.ready, 4)} {verb} to wait"
        return " (your hands are on it)" if moment.kind == START and self._head == "you" else ""


def _first_of(slices: Slices) -> tuple[Slices, int]:
    """Return the slices of the first steps, and how many steps are left out."""
    starts = slices.of(RUNNING).start
    if len(starts) <= MOST:
        return slices, 0
    return slices[slices.start < starts[MOST]], int((starts >= starts[MOST]).sum())


_INCHES = 9.0
_SHOWN = 24
"""So many lines of sentences stand below the picture."""


def draw_filmstrip(recording: Recording, sentences: Sequence[str]) -> Picture:
    """Return the picture where nothing can be clicked: the words are in it, and in its alt text."""
    lines = []
    for number, text in enumerate(sentences, 1):
        first, *more = wrap(text, 112)
        lines += [f"{number:>3}. {first}", *(f"       {line}" for line in more)]
    if len(lines) > _SHOWN:
        lines[_SHOWN - 1 :] = ["       and so on"]
    sheet = lay_sheet(view_of(recording.trace), page=_INCHES)
    heights = [1.2 + sheet.height, 0.1 + 0.19 * len(lines)]
    picture = Picture(figsize=(_INCHES, sum(heights)), layout="constrained")
    above, below = picture.subplots(2, height_ratios=heights)
    plot_timeline(recording, ax=above)
    below.set_axis_off()
    below.text(
        0, 1, "\n".join(lines), fontsize=9.0, linespacing=1.45,
        color=mpl.rcParams["text.color"], verticalalignment="top", parse_math=False,
        transform=below.transAxes,
    )  # fmt: skip
    picture.alt = f"{recording.describe()} Moment by moment: {' '.join(sentences[:_SHOWN])}"
    return picture


HERE, CALLER = "\N{BLACK RIGHT-POINTING POINTER}", "\N{WHITE RIGHT-POINTING POINTER}"
"""The signs before the line that it is at, and before the lines from which that was called."""

_LINES = 15
_COLUMNS = 90


def format_source(places: Sequence[Place]) -> str:
    """Return the lines around the last of the places; empty where they can't be read."""
    if not places:
        return ""
    here = places[-1]
    text = linecache.getlines(here.path or here.file)
    if not 1 <= here.line <= len(text):
        return ""
    first = max(1, min(here.line - _LINES // 2, len(text) - _LINES + 1))
    signs = {place.line: CALLER for place in places if place.file == here.file}
    signs[here.line] = HERE
    shown = text[first - 1 : first - 1 + _LINES]
    room = len(str(first + len(shown) - 1))
    lines = []
    for number, line in enumerate(shown, first):
        plain = "".join(c if c.isprintable() else " " for c in line.expandtabs(4))[:_COLUMNS]
        lines.append(f"{signs.get(number, ' ')} {number:>{room}}  {plain}".rstrip())
    return "\n".join(lines)


def _format_html(places: Sequence[Place]) -> str:
    """Return the lines as HTML; a screen reader hears which is the current one."""
    if not places:
        return ""
    here, lines = places[-1], format_source(places)
    if not lines:
        return f"<p>{escape(str(here))} (its source can't be read)</p>"
    name = here.file if here.file.startswith("In [") else here.file.rpartition("/")[2]
    marked = [
        f'<strong aria-current="true">{line}</strong>' if line.startswith(HERE) else line
        for line in escape(lines).split("\n")
    ]
    style = "margin:0;padding:2px 8px;overflow-x:auto;white-space:pre;line-height:1.4"
    source = "\n".join(marked)
    return f'<div><strong>{escape(name)}</strong></div><pre style="{style}">{source}</pre>'


class Playhead:
    """The picture of a recording, drawn once, and what hides the part that is still to come."""

    def __init__(self, recording: Recording, inches: float) -> None:
        self.picture = draw_timelines([recording], width=inches)
        self.html = show_picture(self.picture)
        (self._ax,), self._end = self.picture.axes, recording.trace.duration

    def drawn_to(self, at: float) -> str:
        """Return HTML to lay over the picture: it shows what there was up to that time."""
        wide, high = self.picture.bbox.size
        box = self._ax.get_window_extent()
        top, bottom = high - box.y1 - 8, high - box.y0
        x = self._ax.transData.transform((at, 0))[0]
        paper, ink = mpl.rcParams["axes.facecolor"], mpl.rcParams["text.color"]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}">'
        # A step that took no time is drawn as a mark, and has to be seen when it is there.
        if at < self._end:
            svg += (
                f'<rect fill="{paper}" fill-opacity=".93" x="{x + 3:.1f}" y="{top:.1f}" '
                f'width="{wide - x:.1f}" height="{bottom - top - 1:.1f}"/>'
            )
        svg += f'<path fill="{ink}" stroke="{ink}" d="M{x:.1f} {bottom:.1f}V{top:.1f}'
        data = base64.b64encode(f'{svg}l-5 -8h10l-5 8"/></svg>'.encode()).decode("ascii")
        return format_image("svg+xml", data, 'alt="" aria-hidden="true"')


_PAUSE = 1500
_WIDE, _NARROW = 9.0, 6.2
_SIGNS = {"running": "\N{BLACK SQUARE}", "ready": "▨", "waiting": "\N{WHITE SQUARE}"}


class Screen:
    """The widgets of one view of a Player."""

    def __init__(self, widgets: Any, player: Player) -> None:
        self._player, last = player, len(player)
        has_source = any(moment.places for moment in player.script.moments)
        inches = _NARROW if has_source else _WIDE
        self._playhead = Playhead(player.recording, inches)
        self.back = widgets.Button(description="Back", tooltip="Go one moment back")
        self.next = widgets.Button(description="Next", tooltip="Go on to the next moment")
        self.play = widgets.ToggleButton(description="Play", tooltip="Go on by itself, or pause")
        for button in (self.back, self.next, self.play):
            button.layout.width = "80px"
        self.slider = Slider(widgets, "Moment", "Which moment is shown", 1, 1, last)
        self.motor = widgets.Play(min=1, max=last, value=1, interval=_PAUSE)
        self.motor.layout.display = "none"  # its own buttons have no names
        # The front end moves the slider by itself: nothing here has to keep the time.
        self.link = widgets.jslink((self.motor, "value"), (self.slider.slider, "value"))
        self.sentence, self.states, self.source = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.picture, self.playhead = widgets.HTML(self._playhead.html), widgets.HTML()
        for one in (self.picture, self.playhead):  # one lies on the other
            one.layout.grid_area, one.layout.margin = "all", "0"
        areas = {"grid_template_areas": '"all"', "grid_template_columns": "100%"}
        picture = widgets.GridBox([self.picture, self.playhead], layout=areas)
        left = widgets.VBox([picture, self.states])
        left.layout.flex, left.layout.max_width = f"1 1 {inches * 67:.0f}px", f"{inches * 100}px"
        right = widgets.VBox([self.source], layout={"flex": "1 1 280px", "min_width": "0"})
        flow = {"flex_flow": "row wrap", "align_items": "center"}
        controls = [self.back, self.play, self.next, self.slider.box, self.motor]
        stage = widgets.Box([left, right] if has_source else [left], layout=flow)
        stage.layout.align_items = "flex-start"
        self.root = widgets.VBox([widgets.Box(controls, layout=flow), self.sentence, stage])
        self.back.on_click(lambda _: self._step(-1))
        self.next.on_click(lambda _: self._step(1))
        self.play.observe(self._toggle, "value")
        self.motor.observe(lambda change: setattr(self.play, "value", change.new), "playing")
        self.slider.observe(lambda number: self._show(number, "alert"))
        self._show(1, "status")

    def _step(self, by: int) -> None:
        self.motor.playing = False
        slider = self.slider.slider
        slider.value = min(max(slider.value + by, slider.min), slider.max)

    def _toggle(self, change: Any) -> None:
        if change.new and self.slider.slider.value == len(self._player):
            self.slider.slider.value = 1
        self.motor.playing = change.new
        self.play.description = "Pause" if change.new else "Play"

    def _show(self, number: int, role: str) -> None:
        script = self._player.script
        moment = script.moments[number - 1]
        count = f"Moment {number:,} of {len(self._player):,}"
        words = escape(script.sentence(number - 1))
        self.sentence.value = format_status(f"<strong>{count}.</strong> {words}", role)
        self.playhead.value = self._playhead.drawn_to(moment.at)
        self.source.value = _format_html(moment.places)
        self.states.value = "".join(
            f'<div style="line-height:1.5">{_SIGNS[state]} <strong>{state}</strong>: '
            f"{escape(names)}</div>"
            for state, names in script.states(number - 1)
        )
        self.back.disabled = number == 1
        self.next.disabled = number == len(self._player)
