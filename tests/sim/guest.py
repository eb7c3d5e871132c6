"""Guests for the tests of the simulator: built, stepped, asked."""

from collections.abc import Mapping
from typing import NamedTuple

from app.sim import CALLS, Limits, Report, explore, parse_scenario
from app.sim.bare import Step
from app.sim.layout import (
    DATA_BASE,
    HANDLER_BASE,
    HANDLER_SPACE,
    KERNEL_BASE,
    USER_BASE,
)
from app.sim.listing import parse_listings
from app.sim.machine import WORD, Machine, VCpu, update
from app.sim.memory import store
from app.sim.platforms import build_platform
from app.sim.registry import perform_call
from app.sim.rom import NUMBERS
from app.sim.start import Start, build_machine

LINUX = Start(interrupts=True)
"""A kernel that runs, with interrupts on."""


def build(
    kernel: str = "nop",
    *,
    platform: str = "native",
    policies: Mapping[str, str] | None = None,
    data: Mapping[str, int] | None = None,
    start: Start = LINUX,
    handlers: Mapping[str, str] | None = None,
    **listings: str,
) -> Machine:
    """Build a machine that stands before its first instruction."""
    values = data or {}
    bases = {"kernel": KERNEL_BASE, "user": USER_BASE}
    sources = {"kernel": (kernel, KERNEL_BASE)}
    for place, (name, text) in enumerate(
        {**listings, **(handlers or {})}.items()
    ):
        base = HANDLER_BASE + place * HANDLER_SPACE
        sources[name] = (text, bases.get(name, base))
    parsed = parse_listings(
        sources,
        words={n: DATA_BASE + WORD * i for i, n in enumerate(values)},
        calls={*CALLS, *NUMBERS},
    )
    host = build_platform(platform, policies or {})
    code = tuple(parsed.values())
    return build_machine(start, code, tuple(values.items()), host)


def step(machine: Machine, times: int = 1) -> Machine:
    """Carry out some instructions, without arrival and delivery."""
    for _ in range(times):
        machine = step_once(machine).machine
    return machine


def step_once(machine: Machine) -> Step:
    """Carry out one instruction; answer what became of it."""
    host = machine.board.host
    done: Step = host.step(machine, 0)  # type: ignore[attr-defined]
    return done


def get_vcpu(machine: Machine) -> VCpu:
    """Answer the only processor."""
    return machine.vcpus[0]


class Made(NamedTuple):
    """A call: the machine before, its results, the machine after."""

    before: Machine
    results: dict[str, int]
    after: Machine


def make_call(machine: Machine, name: str, **arguments: int) -> Made:
    """Make a call through the ROM, with arguments by register or stack."""
    stack = []
    for register, value in arguments.items():
        if register.startswith("st"):
            stack.append(value)
        else:
            machine = update(machine, 0, **{register: value})
    esp = get_vcpu(machine).esp - WORD * len(stack)
    for place, value in enumerate(stack):
        machine = store(machine, 0, esp + WORD * place, WORD, value)
    machine = update(machine, 0, esp=esp)
    spec = CALLS[name]
    after = perform_call(machine, 0, spec)
    results = {}
    for result in spec.results:
        value = 0
        for part in result.register.split(":"):
            word: int = getattr(get_vcpu(after), part.lower())
            value = value << 32 | word
        results[result.name] = value
    return Made(machine, results, after)


def ask(
    kernel: str,
    outcomes: Mapping[str, str],
    *,
    rest: str = "",
    **listings: str,
) -> Report:
    """Explore a question; an outcome is an expression that is reached."""
    code = "\n".join(
        f"{name} = '''\n{text}\n'''"
        for name, text in {"kernel": kernel, **listings}.items()
    )
    asked = "\n".join(
        f'{name} = {{ is = "{text}" }}'
        if not text.startswith("end: ")
        else f'{name} = {{ when = "end", is = "{text[5:]}" }}'
        for name, text in outcomes.items()
    )
    toml = f'question = "?"\n[code]\n{code}\n[outcomes]\n{asked}\n{rest}\n'
    # other work on the machine is no answer
    limits = Limits(seconds=120)
    return explore(parse_scenario(toml, slug="asked"), limits=limits)


def get_answers(report: Report, name: str) -> dict[str, str]:
    """Answer one outcome's answers, by platform or variant."""
    return {
        each.variant or each.platform: each.answers[name].answer
        for each in report.platforms
    }
