"""Each instruction of the simulator is asked of some oracle.

Unicorn is asked of all that it can run. What it cannot is listed with the
reason and with what the manual says, and QEMU runs it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import pytest

from app.sim import INSTRUCTIONS as SIMULATED
from app.sim.layout import (
    DATA_BASE,
    HANDLER_BASE,
    HANDLER_SPACE,
    KERNEL_BASE,
    USER_BASE,
)
from app.sim.listing import parse_listings
from app.sim.registry import get_instruction
from tests.oracles import rules
from tests.oracles.cells import INSTRUCTIONS
from tests.oracles.device_rules import list_cases
from tests.oracles.programs import WORDS, Generator
from tests.oracles.system_programs import SystemGenerator

pytest.importorskip(
    "unicorn", reason="unicorn is not installed: pip install unicorn"
)
from tests.oracles.test_unicorn_segments import CODE

pytestmark = pytest.mark.oracle

PROGRAMS = 1_000
FINISH = "finish: jmp finish\n"


class Lacking(NamedTuple):
    """Why Unicorn cannot run something, and what it would have to do."""

    reason: str
    reference: str


_PORTS = "it has no devices: a hook of the host answers, and no IOPL counts"
_PRIVILEGE = "SDM vol. 1, 18.5: CPL, IOPL and the I/O map open a port"

NOT_IN_UNICORN = {
    "sysexit": Lacking(
        "like SYSENTER it does nothing where no system is emulated",
        "SDM vol. 2B, SYSEXIT: CS, EIP, SS and ESP from MSR 174h, EDX, ECX",
    ),
    **dict.fromkeys(
        ("in", "out", "ins", "outs", "rep ins", "rep outs"),
        Lacking(_PORTS, _PRIVILEGE),
    ),
}
"""By the simulator's names; QEMU is asked of these instead."""


def list_names(words: Iterable[str], **listings: str) -> set[str]:
    """List the instructions of code, by the names of the registry."""
    bases = {"kernel": KERNEL_BASE, "user": USER_BASE}
    parsed = parse_listings(
        {
            name: (text, bases.get(name, HANDLER_BASE + HANDLER_SPACE * place))
            for place, (name, text) in enumerate(listings.items())
        },
        words={word: DATA_BASE + 4 * n for n, word in enumerate(words)},
        calls=(),
    )
    return {
        get_instruction(statement).name
        for listing in parsed.values()
        for statement in listing.statements
    }


def list_unicorn_names() -> set[str]:
    """List what Unicorn runs: random programs, and cell by cell."""
    texts = [f"{cell.code}\ndone: nop" for cell in INSTRUCTIONS.values()]
    texts += [f"{code}\ndone: nop" for code in CODE.values()]
    for number in range(PROGRAMS):
        texts.append(Generator(number).make().text)
        made = SystemGenerator(number, DATA_BASE).make_system()
        texts.append(made.program.text)
    return set().union(*(list_names(WORDS, kernel=text) for text in texts))


def list_qemu_names() -> set[str]:
    """List what QEMU runs: its cases of delivery and of devices."""
    names: set[str] = set()
    for case in (*(rule.case for rule in rules.RULES.values()), *list_cases()):
        listings = {"kernel": case.kernel + FINISH, **case.handlers}
        if case.user:
            listings["user"] = case.user
        names |= list_names(case.words, **listings)
    return names


def test_unicorn_runs_all_that_it_can() -> None:
    """A new instruction is asked of it, or says here why it cannot be."""
    assert list_unicorn_names() == set(SIMULATED) - set(NOT_IN_UNICORN)


def test_qemu_runs_what_unicorn_cannot() -> None:
    """Nothing is left without an oracle."""
    assert set(NOT_IN_UNICORN) <= list_qemu_names()
