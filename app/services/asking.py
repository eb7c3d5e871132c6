"""Asking: what a question is, and what a worker makes of it.

All that a worker process loads: no database, no web.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import Fault, InvalidError
from app.services.workers import OutOfTimeError, limit_time, tell
from app.sim import (
    PLATFORMS,
    POLICIES,
    Limits,
    Progress,
    Report,
    ScenarioError,
    check_scenario,
    compute_report_id,
    explore,
    parse_scenario,
)

POSTED = "posted"
"""The slug of a scenario that somebody sent and that is on no list."""

GRACE = 5.0
"""Seconds beyond the search's own limit: parsing, answers, witnesses."""

CHECK_SECONDS = 3.0
"""How long reading a text may take."""

TELL_SECONDS = 0.2
"""How often a worker tells how far it is."""

MAXIMUM_REPORT = 2 * 1024**2
"""Bytes of a report; witnesses of a huge search may be that long."""


@dataclass(frozen=True, slots=True)
class Question:
    """A scenario's text and what is asked of it; plain data, picklable.

    `platforms` None means those that the scenario names.
    """

    slug: str
    text: str
    platforms: tuple[str, ...] | None = None
    policies: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def compute_run_id(question: Question) -> str:
    """Return the id that the run of a question has."""
    return compute_report_id(
        question.text,
        platforms=question.platforms,
        policies=question.policies,
        limits=question.limits,
    )


def require_asked(question: Question) -> None:
    """Raise InvalidError for platforms and policies that do not exist."""
    faults = [
        Fault(
            f"/platforms/{place}",
            f"there is no platform {name!r}",
            expected=", ".join(PLATFORMS),
        )
        for place, name in enumerate(question.platforms or ())
        if name not in PLATFORMS
    ]
    if question.platforms == ():
        faults.append(Fault("/platforms", "expected at least one"))
    for name, value in question.policies.items():
        known = POLICIES[name].values if name in POLICIES else tuple(POLICIES)
        wanted = value if name in POLICIES else name
        if wanted not in known:
            faults.append(
                Fault(
                    "/policies"
                    if name not in POLICIES
                    else f"/policies/{name}",
                    f"{wanted[:80]!r} is not one of them",
                    expected=", ".join(known),
                )
            )
    if faults:
        raise InvalidError("the question cannot be asked like this", *faults)


def check(text: str) -> tuple[Fault, ...]:
    """Return what is wrong with a text; nothing if it is a scenario."""
    try:
        with limit_time(CHECK_SECONDS):
            errors = check_scenario(text)
    except OutOfTimeError:
        return (Fault("/scenario_text", "this takes too long to be read"),)
    return tuple(build_fault(error) for error in errors)


class _Teller:
    """Tells now and then how many states were found in all searches."""

    def __init__(self) -> None:
        self._before = 0
        self._last = 0
        self._next = 0.0

    def note(self, progress: Progress) -> bool:
        """Tell how far it is; the search is to go on."""
        if progress.states < self._last:
            self._before += self._last
        self._last = progress.states
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_SECONDS
            tell(progress._replace(states=self._before + self._last))
        return False


def answer(question: Question) -> Report:
    """Parse and explore a question, in bounded time; refuse huge reports."""
    seconds = question.limits.seconds
    try:
        with limit_time(seconds + GRACE):
            report = explore(
                parse_scenario(question.text, slug=question.slug),
                platforms=question.platforms,
                policies=question.policies,
                limits=question.limits,
                should_stop=_Teller().note,
            )
            size = len(json.dumps(report.to_dict()))
    except ScenarioError as error:
        raise build_refusal(error) from None
    except OutOfTimeError:
        raise build_late_refusal(seconds) from None
    except (MemoryError, RecursionError):
        raise InvalidError(
            "the question needs more memory than a worker has",
            Fault("/limits/states", "ask for fewer states"),
        ) from None
    if size > MAXIMUM_REPORT:
        raise InvalidError(
            f"the report would have {size} bytes, {MAXIMUM_REPORT} at most",
            Fault("/limits/states", "ask for fewer states or outcomes"),
        )
    return report


def build_late_refusal(seconds: float) -> InvalidError:
    """Say of a question that it takes longer than it may."""
    return InvalidError(
        f"nothing was found within {seconds + GRACE:g} seconds",
        Fault("/limits/seconds", "the question is too large"),
    )


class RefusedScenarioError(InvalidError):
    """Raised when a text is no scenario; its one fault has the place."""


def build_refusal(error: ScenarioError) -> RefusedScenarioError:
    """Say of a refused scenario what is wrong, where, and what would do."""
    return RefusedScenarioError(str(error), build_fault(error))


def build_fault(error: ScenarioError) -> Fault:
    """Say where a text is no scenario, and what would do there."""
    return Fault(
        "/scenario_text",
        error.message,
        line=error.line,
        column=error.column,
        expected=error.expected,
    )
