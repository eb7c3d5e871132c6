"""The timeline of an execution as a score: lanes, marks and spans.

All places along the time axis are percentages, so that the drawing takes
whatever width the page has without distorting a mark or a letter.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import log1p
from typing import Any, NamedTuple

from app.services.costs import Bill
from app.services.witnesses import Step

LANES = ("user", "kernel", "hypervisor", "hardware")
TITLES: Mapping[str, str] = {
    "user": "guest user",
    "kernel": "guest kernel",
    "hypervisor": "hypervisor",
    "hardware": "hardware",
}
TOP = 6
LANE = 34
LABEL = 11
"""Pixels: above all, of a lane, and of its label within."""

LINE = 24
SPAN = 30
BAR = 9
CYCLES = 44
BARS = 26


class Lane(NamedTuple):
    """A line of the score, with its label above."""

    title: str
    label_y: int
    y: int


class Mark(NamedTuple):
    """A step: where it stands, what it is, and the line to the one before.

    `shape` is step, call, trap, delivery or arrival.
    """

    number: int
    x: str
    y: int
    shape: str
    title: str
    folded: bool
    from_y: int
    left: str


class Span(NamedTuple):
    """A stretch of time in which something held."""

    x: str
    width: str
    title: str


class Track(NamedTuple):
    """A line of spans, with its label above."""

    title: str
    label_y: int
    y: int
    spans: tuple[Span, ...]


class Bar(NamedTuple):
    """The cycles of a step as a bar; its height goes by the logarithm."""

    x: str
    width: str
    y: int
    height: int
    title: str


class Score(NamedTuple):
    """The drawing: all that the template needs; `wide` is a step's width."""

    height: int
    wide: str
    lanes: tuple[Lane, ...]
    tracks: tuple[Track, ...]
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]
    bars_label_y: int
    current: str | None
    description: str


class Held(NamedTuple):
    """What a state says that a span shows; of one processor."""

    cpu: int
    title: str
    name: str
    value: int


def build_score(  # noqa: PLR0913 - two of them are keywords
    initial: Mapping[str, Any],
    steps: Sequence[Step],
    shown: Sequence[Step],
    current: int,
    *,
    kept: frozenset[int] | None,
    bill: Bill,
) -> Score:
    """Draw the steps shown of an execution.

    Parameters
    ----------
    initial, steps
        The whole execution, since a span may begin before what is shown.
    shown
        Neighbouring steps of it.
    current
        The number of the step just made.
    kept
        The steps that the outcome depends on; the others are drawn faintly.
    bill
        What each step of the execution costs.
    """
    cpus = sorted({step.cpu for step in steps}) or [0]
    lanes = tuple(_build_lanes(cpus, steps))
    scale = _Scale(shown[0].number if shown else 1, len(shown))
    top = TOP + LANE * len(lanes)
    tracks = tuple(_build_tracks(initial, steps, scale, top))
    top += SPAN * len(tracks)
    rows = {key: lane.y for key, lane in lanes}
    return Score(
        height=top + CYCLES,
        wide=scale.wide(1),
        lanes=tuple(lane for _, lane in lanes),
        tracks=tracks,
        marks=tuple(_build_marks(shown, rows, cpus, scale, kept)),
        bars=tuple(_build_bars(shown, bill, scale, top)),
        bars_label_y=top + LABEL,
        current=scale.at(current) if scale.holds(current) else None,
        description=_describe(steps, cpus),
    )


class _Scale(NamedTuple):
    """Where a step stands along the axis, in percent."""

    first: int
    size: int

    def at(self, number: float) -> str:
        return f"{100 * (number - self.first + 0.5) / max(1, self.size):.3f}%"

    def wide(self, count: float) -> str:
        return f"{100 * count / max(1, self.size):.3f}%"

    def holds(self, number: int) -> bool:
        return self.first <= number < self.first + self.size


_Key = tuple[int, str]


def _get_key(step: Step, cpus: Sequence[int]) -> _Key:
    """Return the lane of a step; arrivals are of no processor."""
    return (cpus[0] if step.kind == "arrival" else step.cpu), step.lane


def _build_lanes(
    cpus: Sequence[int], steps: Sequence[Step]
) -> Iterator[tuple[_Key, Lane]]:
    # one processor has all its lanes, several only those that are used
    used = {_get_key(step, cpus) for step in steps}
    keys = [
        (cpu, lane)
        for cpu in cpus
        for lane in LANES
        if len(cpus) == 1 or (cpu, lane) in used
    ]
    for place, (cpu, lane) in enumerate(keys):
        of = f"processor {cpu}, " if len(cpus) > 1 else ""
        top = TOP + LANE * place
        yield (cpu, lane), Lane(f"{of}{TITLES[lane]}", top + LABEL, top + LINE)


def _build_marks(
    shown: Sequence[Step],
    rows: Mapping[_Key, int],
    cpus: Sequence[int],
    scale: _Scale,
    kept: frozenset[int] | None,
) -> Iterator[Mark]:
    before: dict[int, int] = {}
    for step in shown:
        y = rows[_get_key(step, cpus)]
        from_y = y if step.kind == "arrival" else before.get(step.cpu, y)
        if step.kind != "arrival":
            before[step.cpu] = y
        yield Mark(
            number=step.number,
            x=scale.at(step.number),
            y=y,
            shape=get_shape(step),
            title=f"step {step.number}: {step.text}, at {step.at}",
            folded=kept is not None and step.number not in kept,
            from_y=from_y,
            left=scale.at(step.number - 0.5),
        )


def get_shape(step: Step) -> str:
    """Name the mark of a step."""
    if step.kind != "step":
        return step.kind
    if step.way in {"trap", "delivery"}:
        return "trap"
    return "call" if step.way in {"rom", "hypercall"} else "step"


def _build_tracks(
    initial: Mapping[str, Any],
    steps: Sequence[Step],
    scale: _Scale,
    top: int,
) -> Iterator[Track]:
    for held in _list_held(initial):
        spans = tuple(_find_spans(held, initial, steps, scale))
        if spans or held.title == "interrupts off":
            of = f"processor {held.cpu}, " if held.cpu else ""
            yield Track(
                f"{of}{held.title}", top + LABEL, top + LABEL + 7, spans
            )
            top += SPAN


def _list_held(initial: Mapping[str, Any]) -> Iterator[Held]:
    cpus = [0]
    while f"cpu{len(cpus)}.if" in initial:
        cpus.append(len(cpus))
    for cpu in cpus:
        prefix = f"cpu{cpu}." if cpu else ""
        for title, name, value in (
            ("interrupts off", "if", 0),
            ("an event pending", "pending", 1),
            ("NMIs blocked", "nmi_blocked", 1),
            ("halted", "halted", 1),
        ):
            if f"{prefix}{name}" in initial:
                yield Held(cpu, title, f"{prefix}{name}", value)


def _find_spans(
    held: Held,
    initial: Mapping[str, Any],
    steps: Sequence[Step],
    scale: _Scale,
) -> Iterator[Span]:
    """Find the stretches between steps in which a state held."""
    first, last = scale.first, scale.first + scale.size - 1
    begin = 0 if initial[held.name] == held.value else None
    ends = [
        (step.number, step.changes[held.name][1] == held.value)
        for step in steps
        if held.name in step.changes
    ]
    for number, holds in [*ends, (len(steps) + 1, False)]:
        if holds and begin is None:
            begin = number
        elif not holds and begin is not None:
            left = max(begin, first - 0.5)
            right = min(number, last + 0.5)
            if right > left:
                until = (
                    f"to step {number}"
                    if number <= len(steps)
                    else "to the end"
                )
                since = f"from step {begin}" if begin else "from the beginning"
                yield Span(
                    scale.at(left),
                    scale.wide(right - left),
                    f"{held.title} {since} {until}",
                )
            begin = None


def _build_bars(
    shown: Sequence[Step], bill: Bill, scale: _Scale, top: int
) -> Iterator[Bar]:
    most = max((each.cycles or 0 for each in bill.charges), default=0)
    for step in shown:
        cycles = bill.charges[step.number - 1].cycles or 0
        if not cycles:
            continue
        height = max(1, round(BARS * log1p(cycles) / log1p(most)))
        yield Bar(
            x=scale.at(step.number - 0.35),
            width=scale.wide(0.7),
            y=top + CYCLES - height,
            height=height,
            title=f"step {step.number}: {cycles:,} cycles",
        )


def _describe(steps: Sequence[Step], cpus: Sequence[int]) -> str:
    arrivals = sum(step.kind == "arrival" for step in steps)
    deliveries = sum(step.kind == "delivery" for step in steps)
    count = f" on {len(cpus)} processors" if len(cpus) > 1 else ""
    return (
        f"{len(steps)} steps{count}, {arrivals} arrivals, "
        f"{deliveries} deliveries; the table below tells each."
    )


def list_interrupts(
    initial: Mapping[str, Any], steps: Sequence[Step]
) -> tuple[str, ...]:
    """Say for each step what its processor's interrupt flag is after it."""
    state = dict(initial)
    words = []
    for step in steps:
        state |= {name: pair[1] for name, pair in step.changes.items()}
        prefix = f"cpu{step.cpu}." if step.cpu else ""
        off = state.get(f"{prefix}if") == 0
        shadow = state.get(f"{prefix}shadow")
        words.append("off" if off else "shadow" if shadow else "on")
    return tuple(words)
