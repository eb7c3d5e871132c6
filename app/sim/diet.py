"""Which calls an interface can do without, by the questions of a review.

Without a call its native instructions stand at the call site, and a platform
carries them out in its own way: traps and emulates them, or runs them as they
are, right or wrong. A call can be dropped if that changes no answer to any
question; it is decided only where some question makes it through the ROM.

Calls that can be dropped one by one may not be dropped together, and some can
only be dropped with others, so the smallest interface is run, not added up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.errors import NotModelled
from app.sim.explore import Verdict, list_verdicts
from app.sim.layout import KERNEL_BASE
from app.sim.listing import parse_listings
from app.sim.machine import VCpu
from app.sim.platforms import PLATFORMS, get_call_name
from app.sim.registry import CALLS, CallSpec, get_instruction
from app.sim.report import LIMIT, NOT_MODELLED, UNSPECIFIED, Json
from app.sim.scenario import Scenario
from app.sim.search import Limits

NATIVE: Final = "native"
_NO_ANSWER: Final = frozenset({NOT_MODELLED, LIMIT})
_LARGEST_SET: Final = 2
"""How many calls are tried together before all or none are."""


class Stand(StrEnum):
    """How a call stands, dropped alone."""

    needed = "needed"
    spare = "spare"
    native = "native"
    bare = "bare"
    unknown = "unknown"
    undecided = "undecided"


STANDS: Final[Mapping[Stand, str]] = MappingProxyType(
    {
        Stand.needed: "without it an answer changes",
        Stand.spare: "without it no answer changes",
        Stand.native: "the platform leaves it native: it is not there anyway",
        Stand.bare: "it has no native instruction to fall back on",
        Stand.unknown: "the simulator cannot tell what its fallback does",
        Stand.undecided: "no question makes it",
    }
)


class Change(NamedTuple):
    """An answer that is another one without some calls.

    ``native`` is the answer on bare hardware; None where it is not asked
    there, and for a variant.
    """

    scenario: str
    variant: str | None
    outcome: str
    before: str
    after: str
    native: str | None

    @property
    def is_cure(self) -> bool:
        """Whether bare hardware gives the answer that is changed to."""
        return self.after == self.native

    @property
    def was_silent(self) -> bool:
        """Whether the RFC does not say what the answer is with the call."""
        return self.before == UNSPECIFIED

    def to_dict(self) -> dict[str, Json]:
        """Give the change as JSON."""
        return dict(self._asdict())


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDiet:
    """A call, and what becomes of the answers without it.

    Parameters
    ----------
    traps
        Whether its native instructions trap outside CPL 0: what the review
        said would decide; None if it has none.
    deciding
        The questions in which its native instructions ran in its place.
    """

    name: str
    stand: Stand
    native: tuple[str, ...]
    traps: bool | None
    deciding: tuple[str, ...]
    changes: tuple[Change, ...]

    def to_dict(self) -> dict[str, Json]:
        """Give the call as JSON."""
        return {
            "name": self.name,
            "stand": self.stand.value,
            "native": list(self.native),
            "traps": self.traps,
            "deciding": list(self.deciding),
            "changes": [change.to_dict() for change in self.changes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Diet:
    """What a platform's interface can do without.

    Parameters
    ----------
    dropped
        Calls that can all be dropped together.
    kept
        The smallest interface: what questions make and what is not dropped.
    restored
        Calls that can be dropped alone, but not with the others; with the
        changes that this would make.
    traded
        Calls that can be dropped with others, though not alone.
    runs
        How many runs decided it.
    """

    platform: str
    questions: int
    calls: tuple[CallDiet, ...]
    dropped: tuple[str, ...]
    kept: tuple[str, ...]
    restored: Mapping[str, tuple[Change, ...]]
    traded: tuple[str, ...]
    runs: int

    def to_dict(self) -> dict[str, Json]:
        """Give the diet as JSON."""
        return {
            "platform": self.platform,
            "questions": self.questions,
            "calls": [call.to_dict() for call in self.calls],
            "dropped": list(self.dropped),
            "kept": list(self.kept),
            "restored": {
                name: [change.to_dict() for change in changes]
                for name, changes in self.restored.items()
            },
            "traded": list(self.traded),
            "runs": self.runs,
        }


def compute_diet(
    scenarios: Sequence[Scenario],
    platform: str,
    limits: Limits,
    *,
    tell: Callable[[int, int], object] | None = None,
) -> Diet:
    """Find which calls a platform's interface can do without.

    Parameters
    ----------
    scenarios
        The questions whose answers must stay.
    limits
        How far each run may go.
    tell
        Told how many questions are weighed, and of how many.
    """
    table = _Table(scenarios, platform, limits)
    for place in range(len(scenarios)):
        table.weigh(place)
        if tell:
            tell(place + 1, len(scenarios))
    calls = tuple(table.judge(spec) for spec in CALLS.values())
    return _Joint(table, calls).settle()


class _Table:
    """The questions on one platform, and each run made of them, once."""

    def __init__(
        self, scenarios: Sequence[Scenario], platform: str, limits: Limits
    ) -> None:
        self.platform = platform
        self.scenarios = tuple(scenarios)
        self.made = [find_calls(each) for each in scenarios]
        self.runs = 0
        self._limits = limits
        self._known: dict[tuple[int, frozenset[str]], list[Verdict]] = {}
        self._native: dict[int, Mapping[str, str]] = {}

    def weigh(self, place: int) -> None:
        """Run a question whole, and without each call that it makes."""
        self.ask(place, frozenset())
        for name in self.made[place]:
            self.ask(place, frozenset({name}))

    def ask(self, place: int, dropped: frozenset[str]) -> list[Verdict]:
        """Answer a question without some calls, as its platform is asked."""
        key = (place, dropped & self.made[place])
        if key not in self._known:
            scenario = self.scenarios[place]
            verdicts = list_verdicts(
                scenario,
                platforms=(self.platform,),
                dropped=key[1],
                limits=self._limits,
            )
            asked = self.platform in scenario.platforms
            kept = [each for each in verdicts if asked or each.variant]
            self.runs += len(kept)
            self._known[key] = kept
        return self._known[key]

    def list_changes(
        self, place: int, dropped: frozenset[str]
    ) -> Iterator[Change]:
        """List what becomes another answer without some calls."""
        slug = self.scenarios[place].slug
        before = self.ask(place, frozenset())
        after = self.ask(place, dropped)
        for one, other in zip(before, after, strict=True):
            for name, answer in one.answers.items():
                if other.answers[name] == answer:
                    continue
                yield Change(
                    slug,
                    one.variant,
                    name,
                    answer,
                    other.answers[name],
                    None if one.variant else self._get_native(place, name),
                )

    def _get_native(self, place: int, outcome: str) -> str | None:
        """Answer what bare hardware does, if the question asks for it."""
        scenario = self.scenarios[place]
        if NATIVE not in scenario.platforms:
            return None
        if place not in self._native:
            bare = replace(scenario, variants=())
            (verdict,) = list_verdicts(
                bare, platforms=(NATIVE,), limits=self._limits
            )
            self.runs += 1
            self._native[place] = verdict.answers
        return self._native[place][outcome]

    def list_all_changes(
        self, dropped: frozenset[str], calls: Iterable[str]
    ) -> list[Change]:
        """List the changes in the questions that make one of the calls."""
        named = frozenset(calls)
        return [
            change
            for place, made in enumerate(self.made)
            if made & named
            for change in self.list_changes(place, dropped)
        ]

    def judge(self, spec: CallSpec) -> CallDiet:
        """Say how a call stands, dropped alone."""
        alone = frozenset({spec.name})
        deciding = tuple(
            scenario.slug
            for place, scenario in enumerate(self.scenarios)
            if spec.name in self.made[place]
            and any(alone & v.fallen for v in self.ask(place, alone))
        )
        changes = tuple(self.list_all_changes(alone, alone))
        return CallDiet(
            name=spec.name,
            stand=self._name_stand(spec, deciding, changes),
            native=spec.native,
            traps=traps(spec),
            deciding=deciding,
            changes=changes,
        )

    def _name_stand(
        self,
        spec: CallSpec,
        deciding: tuple[str, ...],
        changes: tuple[Change, ...],
    ) -> Stand:
        if not spec.native:
            return Stand.bare
        if not deciding:
            uses_rom = PLATFORMS[self.platform].uses_rom(_PARAVIRTUAL, spec)
            return Stand.undecided if uses_rom else Stand.native
        if all(change.after in _NO_ANSWER for change in changes):
            return Stand.unknown if changes else Stand.spare
        return Stand.needed


_PARAVIRTUAL: Final = VCpu(paravirtual=1)


class _Joint:
    """Finds what can be dropped together."""

    def __init__(self, table: _Table, calls: tuple[CallDiet, ...]) -> None:
        self._table = table
        self._calls = calls
        self._spare = {c.name for c in calls if c.stand is Stand.spare}
        self._dropped = frozenset(self._spare)
        self._restored: dict[str, tuple[Change, ...]] = {}

    def settle(self) -> Diet:
        """Drop what can go, put back what must stay, and try the rest."""
        for place in range(len(self._table.scenarios)):
            self._restore(place)
        while self._trade():
            pass
        made = frozenset().union(
            *(
                names
                for place, names in enumerate(self._table.made)
                if self._table.ask(place, frozenset())
            )
        )
        names = [call.name for call in self._calls]
        at_rom = {
            call.name
            for call in self._calls
            if call.stand not in {Stand.native, Stand.undecided}
        }
        return Diet(
            platform=self._table.platform,
            questions=sum(
                bool(self._table.ask(place, frozenset()))
                for place in range(len(self._table.scenarios))
            ),
            calls=self._calls,
            dropped=tuple(n for n in names if n in self._dropped),
            kept=tuple(
                n for n in names if n in (made & at_rom) - self._dropped
            ),
            restored={
                name: changes
                for name, changes in self._restored.items()
                if name not in self._dropped
            },
            traded=tuple(n for n in names if n in self._dropped - self._spare),
            runs=self._table.runs,
        )

    def _restore(self, place: int) -> None:
        """Put back few calls that keep the answers to a question, or all."""
        changes = tuple(self._table.list_changes(place, self._dropped))
        if not changes:
            return
        here = sorted(self._dropped & self._table.made[place])
        for back in (*_list_sets(here), frozenset(here)):
            dropped = self._dropped - back
            if not any(self._table.list_changes(place, dropped)):
                self._dropped = dropped
                self._restored.update(dict.fromkeys(sorted(back), changes))
                return

    def _trade(self) -> bool:
        """Drop needed calls that can go with what has gone already."""
        for made in self._table.made:
            here = sorted(
                call.name
                for call in self._calls
                if call.name in made - self._dropped
                and call.stand in {Stand.needed, Stand.spare}
            )
            for more in _list_sets(here):
                dropped = self._dropped | more
                if not self._table.list_all_changes(dropped, more):
                    self._dropped = dropped
                    return True
        return False


def _list_sets(names: Sequence[str]) -> Iterator[frozenset[str]]:
    """List the small sets of some names, the smallest first."""
    for size in range(1, _LARGEST_SET + 1):
        yield from map(frozenset, combinations(names, size))


def find_calls(scenario: Scenario) -> frozenset[str]:
    """Find the calls that the listings of a question make."""
    names = (
        get_call_name(statement)
        for listing in scenario.code
        for statement in listing.statements
    )
    return frozenset(name for name in names if name is not None)


def traps(spec: CallSpec) -> bool | None:
    """Tell whether what is native of a call traps outside CPL 0.

    This is the rule of thumb of the review: an emulator can answer for a
    call if it gets to see its instructions. A store that it should have been
    told of does not trap, nor does what misbehaves in silence.
    """
    if not spec.native:
        return None
    text = "\n".join(spec.native)
    listing = parse_listings(
        {"native": (text, KERNEL_BASE)}, words={}, calls=set()
    )["native"]
    try:
        kinds = {get_instruction(s).sensitive for s in listing.statements}
    except NotModelled:
        return None
    return "traps" in kinds and kinds <= {None, "traps"}
