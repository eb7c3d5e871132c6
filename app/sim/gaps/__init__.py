"""The words that the RFC lacks: each is declared here, once.

A gap is a case on which the text under review is silent. Semantics that come
to one ask `choose_or_raise` how it is read: as long as nobody has chosen,
they raise `Unspecified`, and the explorer answers with what each reading
leads to. A gap is a policy too, by the same name, whose default is silence.

To add one: a `Gap` in the module of its subject, and
``choose_or_raise(machine, "its_name")`` under ``# CHECKS`` of each call that
it concerns.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.sim.errors import Unspecified
from app.sim.gaps.devices import DEVICES
from app.sim.gaps.gap import Gap
from app.sim.gaps.memory import MEMORY
from app.sim.gaps.processor import PROCESSOR
from app.sim.machine import Machine

__all__ = ["GAPS", "UNSPECIFIED", "Gap", "choose_or_raise"]

UNSPECIFIED: Final = "unspecified"
"""The reading of a gap on which nobody has decided."""

GAPS: Final[Mapping[str, Gap]] = MappingProxyType(
    {gap.name: gap for gap in (*PROCESSOR, *DEVICES, *MEMORY)}
)


def choose_or_raise(machine: Machine, policy: str) -> str:
    """Answer how a gap is read here.

    Raises
    ------
    Unspecified
        As long as no reading has been chosen.
    """
    reading = machine.board.host.choose(policy)
    if reading == UNSPECIFIED:
        gap = GAPS[policy]
        raise Unspecified(
            gap.clause, policy=policy, readings=tuple(gap.readings)
        )
    return reading
