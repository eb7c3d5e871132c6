"""From a scenario to a report.

For each platform and variant the machine is built, searched and asked each
outcome. Where the answer hangs on a word that the RFC lacks, each reading of
it is explored by itself, and the answer is ``unspecified`` if they differ.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, NamedTuple

from app.sim.answers import UNKNOWN, Finding, Graph
from app.sim.errors import Unspecified
from app.sim.listing import Listing
from app.sim.machine import Machine
from app.sim.model import MODEL
from app.sim.observables import observe
from app.sim.platforms import PLATFORMS, Platform, build_platform
from app.sim.policies import POLICIES
from app.sim.report import (
    LIMIT,
    NOT_MODELLED,
    UNSPECIFIED,
    Answer,
    Json,
    PlatformReport,
    Report,
    WitnessStep,
    compute_id,
)
from app.sim.scenario import Scenario
from app.sim.search import Limits, Search
from app.sim.start import Event, Start, build_machine
from app.sim.witness import Narrator, is_telling

DEFAULT_LIMITS: Final = Limits()
_TOLD: Final = 20_000
"""How many states the witnesses of one report tell at most, and how many
those of one answer at least and at most.
"""
_SHORTEST_TOLD: Final = 16
_LONGEST_TOLD: Final = 1000

_DEEPEST: Final = 4
"""How many missing words one question may hang on."""


class Progress(NamedTuple):
    """How far a run has come: which case, and the states found in it."""

    platform: str
    variant: str | None
    states: int


@dataclass(frozen=True, slots=True)
class _Case:
    """One run: a platform, its policies, and where it begins."""

    platform: str
    variant: str | None
    policies: Mapping[str, str]
    start: Start
    events: tuple[Event, ...]
    dropped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What bounds all runs of one report; no path is told if 0 is longest."""

    limits: Limits
    deadline: float
    should_stop: Callable[[Progress], bool] | None
    longest: int


def explore(
    scenario: Scenario,
    *,
    platforms: Sequence[str] | None = None,
    policies: Mapping[str, str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    should_stop: Callable[[Progress], bool] | None = None,
) -> Report:
    """Answer the question of a scenario.

    Parameters
    ----------
    scenario
        What is asked.
    platforms
        Names of the platforms to run on; all that the scenario names, if
        None.
    policies
        Values that go over those of the scenario.
    limits
        How far each search may go; the seconds are for all of them.
    should_stop
        Told now and then how far the run has come; the search ends when it
        says so.

    Raises
    ------
    ValueError
        If a platform, a policy or its value does not exist.
    """
    require_known(platforms or (), policies or {})
    cases = _list_cases(scenario, platforms, policies or {})
    paths = 2 * max(1, len(scenario.outcomes) * len(cases))
    bounds = _Bounds(
        limits,
        time.monotonic() + limits.seconds,
        should_stop,
        longest=min(max(_SHORTEST_TOLD, _TOLD // paths), _LONGEST_TOLD),
    )
    return Report(
        id=compute_report_id(
            scenario.text,
            platforms=platforms,
            policies=policies or {},
            limits=limits,
        ),
        model=MODEL,
        scenario=scenario.slug,
        question=scenario.question,
        limits=asdict(limits),
        platforms=tuple(_run(scenario, case, bounds) for case in cases),
    )


class Verdict(NamedTuple):
    """What one run answers, in words alone.

    ``policies`` are those in force, ``consulted`` names those that it asked,
    ``fallen`` the dropped calls in whose place native instructions ran.
    """

    platform: str
    variant: str | None
    policies: Mapping[str, str]
    answers: Mapping[str, str]
    consulted: frozenset[str]
    fallen: frozenset[str]
    limit: str | None


def list_verdicts(  # noqa: PLR0913 - as explore, and what is dropped
    scenario: Scenario,
    *,
    platforms: Sequence[str] | None = None,
    policies: Mapping[str, str] | None = None,
    dropped: frozenset[str] = frozenset(),
    limits: Limits = DEFAULT_LIMITS,
    should_stop: Callable[[Progress], bool] | None = None,
) -> tuple[Verdict, ...]:
    """Answer as `explore` does, in words, without a witness.

    Parameters
    ----------
    dropped
        Calls that the interface does not have: their native instructions
        stand in their place.
    """
    require_known(platforms or (), policies or {})
    deadline = time.monotonic() + limits.seconds
    bounds = _Bounds(limits, deadline, should_stop, longest=0)
    return tuple(
        _judge(scenario, replace(case, dropped=dropped), bounds)
        for case in _list_cases(scenario, platforms, policies or {})
    )


def _judge(scenario: Scenario, case: _Case, bounds: _Bounds) -> Verdict:
    """Run one case and give its answers in words."""
    run = _Run(scenario, case, bounds)
    answers = {name: each.answer for name, each in run.answer().items()}
    return Verdict(
        platform=case.platform,
        variant=case.variant,
        policies=run.host.policies,
        answers=answers,
        consulted=frozenset(run.host.consulted),
        fallen=frozenset(run.host.fallen),
        limit=run.search.limit,
    )


def compute_report_id(
    text: str,
    *,
    platforms: Sequence[str] | None,
    policies: Mapping[str, str],
    limits: Limits,
) -> str:
    """Compute the id of the report that exploring a text would give."""
    asked: dict[str, Json] = {
        "model": MODEL,
        "scenario": text,
        "platforms": None if platforms is None else list(platforms),
        "policies": dict(policies),
        "limits": {
            "states": limits.states,
            "transitions": limits.transitions,
            "seconds": limits.seconds,
        },
    }
    return compute_id(asked)


def require_known(
    platforms: Sequence[str], policies: Mapping[str, str]
) -> None:
    """Raise ValueError if a platform, a policy or a value is unknown."""
    for platform in platforms:
        if platform not in PLATFORMS:
            known = ", ".join(PLATFORMS)
            raise ValueError(f"no platform {platform!r}; there are {known}")
    for name, value in policies.items():
        if name not in POLICIES:
            known = ", ".join(POLICIES)
            raise ValueError(f"no policy {name!r}; there are {known}")
        if value not in POLICIES[name].values:
            known = ", ".join(POLICIES[name].values)
            raise ValueError(
                f"policy {name} cannot be {value!r}; it can be {known}"
            )


def _list_cases(
    scenario: Scenario,
    platforms: Sequence[str] | None,
    policies: Mapping[str, str],
) -> list[_Case]:
    """List the runs: the platforms, then the variants."""
    names = scenario.platforms if platforms is None else platforms
    own = scenario.platform_policies
    cases = [
        _Case(
            name,
            None,
            {**scenario.policies, **own.get(name, {}), **policies},
            scenario.start,
            scenario.events,
        )
        for name in dict.fromkeys(names)
    ]
    for variant in scenario.variants:
        name = variant.platform
        if platforms is not None and name not in platforms:
            continue
        chosen = {
            **scenario.policies,
            **own.get(name, {}),
            **variant.policies,
            **policies,
        }
        start = variant.start or scenario.start
        events = scenario.events if variant.events is None else variant.events
        cases.append(_Case(name, variant.name, chosen, start, events))
    return cases


def _run(scenario: Scenario, case: _Case, bounds: _Bounds) -> PlatformReport:
    """Run one case and report it."""
    run = _Run(scenario, case, bounds)
    answers = run.answer()
    search = run.search
    return PlatformReport(
        platform=case.platform,
        variant=case.variant,
        policies=dict(run.host.policies),
        relevant=tuple(
            name for name in POLICIES if name in run.host.consulted
        ),
        states=len(search.keys),
        transitions=len(search.targets),
        limit=search.limit,
        initial=observe(search.get_machine(0)),
        answers=answers,
    )


class _Run:
    """One case, searched; and the runs of its readings."""

    def __init__(
        self,
        scenario: Scenario,
        case: _Case,
        bounds: _Bounds,
        depth: int = 0,
    ) -> None:
        self.host: Final = build_platform(
            case.platform, case.policies, case.dropped
        )
        self.search: Final = Search(
            self.host,
            build_initial(scenario, case.start, self.host),
            case.events,
        )
        self._scenario = scenario
        self._case = case
        self._bounds = bounds
        self.search.run(bounds.limits, bounds.deadline, self._is_stopped)
        self._depth = depth
        self._is_deep = depth >= _DEEPEST
        self._graph = Graph(self.search)
        self._narrator = Narrator(
            self.search,
            _find_places(scenario.code),
            longest=bounds.longest,
        )

    def find(self) -> dict[str, Finding]:
        """Ask the graph each outcome."""
        words = {n: place for place, (n, _) in enumerate(self._scenario.data)}
        findings: dict[str, Finding] = {}
        for outcome in self._scenario.outcomes:
            if self._is_late():
                findings[outcome.name] = Finding(UNKNOWN, None, None)
                continue
            findings[outcome.name] = self._graph.ask(
                outcome.compile(words, self._scenario.labels),
                when=outcome.when,
            )
        return findings

    def _is_stopped(self) -> bool:
        """Tell how far the search is; whether somebody wants it to end."""
        if self._bounds.should_stop is None:
            return False
        case = self._case
        return self._bounds.should_stop(
            Progress(case.platform, case.variant, len(self.search.keys))
        )

    def _is_late(self) -> bool:
        """Whether the time is up; the search then says what limited it."""
        bounds = self._bounds
        if self.search.limit is None:
            if time.monotonic() > bounds.deadline:
                self.search.limit = "seconds"
            elif self._is_stopped():
                self.search.limit = "stopped"
        return self.search.limit in {"seconds", "stopped"}

    def answer(self) -> dict[str, Answer]:
        """Answer each outcome, with its witnesses."""
        findings = self.find()
        gap = self._find_unspecified()
        read: dict[str, dict[str, Answer]] = {}
        unknown = any(f.answer == UNKNOWN for f in findings.values())
        if gap and unknown and not self.search.limit and not self._is_deep:
            read = {r: self._read(gap.policy, r) for r in gap.readings}
        return {
            name: self._decide(
                finding, {r: answers[name] for r, answers in read.items()}
            )
            for name, finding in findings.items()
        }

    def _decide(self, finding: Finding, read: dict[str, Answer]) -> Answer:
        """Put what the graph says into a word, by the readings if need be.

        Where all readings agree the missing word does not matter, and the
        answer and its witness are those of the first.
        """
        if finding.answer != UNKNOWN:
            return self._tell(finding, finding.answer, {})
        words = {reading: answer.answer for reading, answer in read.items()}
        if words:
            agreed = set(words.values())
            if LIMIT in agreed:
                return self._tell(finding, LIMIT, {})
            if len(agreed) == 1 and UNSPECIFIED not in agreed:
                return next(iter(read.values()))
            return self._tell(finding, UNSPECIFIED, words)
        if self.search.limit:
            return self._tell(finding, LIMIT, {})
        silent = self._find_unspecified() is not None
        return self._tell(finding, UNSPECIFIED if silent else NOT_MODELLED, {})

    def _find_unspecified(self) -> Unspecified | None:
        """Find the first word that the RFC lacks, if the run met one."""
        for gap in self.search.gaps:
            if isinstance(gap, Unspecified):
                return gap
        return None

    def _read(self, policy: str, reading: str) -> dict[str, Answer]:
        """Explore one reading of a missing word."""
        policies = {**self._case.policies, policy: reading}
        case = replace(self._case, policies=policies)
        run = _Run(self._scenario, case, self._bounds, self._depth + 1)
        answers = run.answer()
        self.host.consulted.update(run.host.consulted)
        self.host.fallen.update(run.host.fallen)
        return {
            name: replace(each, settled={policy: reading, **each.settled})
            for name, each in answers.items()
        }

    def _tell(
        self, finding: Finding, answer: str, readings: dict[str, str]
    ) -> Answer:
        """Tell an answer with its witness, counter-witness and clauses."""
        if not self._bounds.longest:
            return Answer(
                answer=answer,
                clauses=(),
                witness=None,
                counter=None,
                readings=readings,
            )
        narrator = self._narrator
        witness = counter = None
        if finding.witness is not None:
            witness = narrator.tell(finding.witness)
        if finding.counter is not None:
            counter = narrator.tell(finding.counter)
        if finding.answer == UNKNOWN and self.search.gaps:
            witness = self._tell_gap()
        steps = (*(witness or ()), *(counter or ()))
        clauses = _collect_clauses(steps) or narrator.clauses
        return Answer(
            answer=answer,
            clauses=clauses,
            witness=witness,
            counter=counter,
            readings=readings,
        )

    def _tell_gap(self) -> tuple[WitnessStep, ...]:
        """Tell the way to the first gap, one of the RFC if there is one."""
        gaps = self.search.gaps
        silent = [
            n for n, gap in enumerate(gaps) if isinstance(gap, Unspecified)
        ]
        number = silent[0] if silent else 0
        path = self._graph.find_gap(number)
        return self._narrator.tell_gap(path, number)


def build_initial(
    scenario: Scenario, start: Start, host: Platform
) -> list[Machine]:
    """Build the machine, and let what is pending arrive, where it can."""
    machine = build_machine(start, scenario.code, scenario.data, host)
    machines = [machine]
    for event in start.pending:
        machines = [
            after
            for each in machines
            for after in host.arrive(each, event) or [each]
        ]
    return machines


def _find_places(code: tuple[Listing, ...]) -> dict[int, str]:
    """Find the listing of each address."""
    return {
        statement.address: listing.name
        for listing in code
        for statement in listing.statements
    }


def _collect_clauses(steps: tuple[WitnessStep, ...]) -> tuple[str, ...]:
    """Collect the telling clauses of some steps, each once, in order."""
    return tuple(
        dict.fromkeys(s.clause for s in steps if is_telling(s.clause))
    )
