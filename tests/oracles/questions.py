"""Puts what another program observed to the simulator, as a scenario.

Only the public face of `app.sim` is used: a scenario's text in, an answer
out. The observation is the outcome that is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.sim import Limits, explore, parse_scenario

LIMITS = Limits(states=50_000, transitions=500_000, seconds=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Guest code and a first state; the outcomes are asked separately.

    ``pages`` turns paging on, and says where each page lies and what it
    grants.
    """

    code: Mapping[str, str]
    words: Mapping[str, int] = field(default_factory=dict)
    start: Mapping[str, str] = field(default_factory=dict)
    registers: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    events: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def ask(
    question: Question,
    outcomes: Mapping[str, str],
    *,
    when: str = "reached",
    platform: str = "native",
    policies: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the simulator's answer to each outcome, by its name."""
    scenario = parse_scenario(write(question, outcomes, when), slug="oracle")
    report = explore(
        scenario, platforms=[platform], policies=policies, limits=LIMITS
    )
    (found,) = report.platforms
    assert found.limit is None, found.limit
    return {name: answer.answer for name, answer in found.answers.items()}


def write(question: Question, outcomes: Mapping[str, str], when: str) -> str:
    """Write the scenario."""
    lines = ['question = "Does the other program say the same?"', "about = []"]
    lines.append("[code]")
    for name, text in question.code.items():
        lines.append(f"{name} = '''\n{text}'''")
    lines.append("[data]")
    lines += [f"{name} = {value}" for name, value in question.words.items()]
    lines.append("[start]")
    lines += [f"{name} = {value}" for name, value in question.start.items()]
    lines.append("[start.registers]")
    lines += [
        f"{name} = {value}" for name, value in question.registers.items()
    ]
    lines.append("[start.flags]")
    lines += [f"{name} = true" for name in question.flags]
    lines.append("[events]")
    lines += [f"{name} = {value}" for name, value in question.events.items()]
    if question.pages:
        lines.append('[paging]\nmode = "32"')
    for name, rights in question.pages.items():
        lines.append(f"[pages.{name}]")
        lines += [f"{key} = {str(to).lower()}" for key, to in rights.items()]
    lines.append("[outcomes]")
    for name, text in outcomes.items():
        lines.append(f'{name} = {{ when = "{when}", is = "{text}" }}')
    return "\n".join(lines) + "\n"
