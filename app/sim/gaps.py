"""The words that the RFC lacks: each is declared here, once.

A gap is a case on which the text under review is silent. Semantics that come
to one ask `choose_or_raise` how it is read: as long as nobody has chosen,
they raise `Unspecified`, and the explorer answers with what each reading
leads to. A gap is a policy too, by the same name, whose default is silence.

To add one: a `Gap` below, and ``choose_or_raise(machine, "its_name")`` under
``# CHECKS`` of each call that it concerns.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.errors import Unspecified
from app.sim.machine import Machine

UNSPECIFIED: Final = "unspecified"
"""The reading of a gap on which nobody has decided."""


class Gap(NamedTuple):
    """One case on which the RFC is silent.

    Parameters
    ----------
    name
        That of the policy by which a reading is chosen.
    section
        The clause in which the word is missing, such as ``RFC 2.4`` or
        ``RFC Appendix A / MMU calls``.
    case
        What is not said, as a noun phrase that continues the clause.
    text
        What the RFC does say, and what it leaves out.
    calls
        The calls that come to it; none where an event or an instruction
        does.
    readings
        Each reading and the sentence that the RFC would have to contain.
    """

    name: str
    section: str
    case: str
    text: str
    calls: tuple[str, ...]
    readings: Mapping[str, str]

    @property
    def clause(self) -> str:
        """The clause and the case, as an answer names them."""
        return f"{self.section}: {self.case}"


CPU_CONTROL: Final = "RFC Appendix A / CPU control calls"
PRIVILEGE: Final = "RFC Appendix A / Stack / privilege transition calls"

_ALL: Final = (
    Gap(
        name="unimplemented_msr",
        section=CPU_CONTROL,
        case="an unimplemented MSR",
        text=(
            "A hypervisor may implement only part of the model-specific "
            "registers. What an access to one of the others does is not "
            "said, and the calls have no error channel."
        ),
        calls=("VMI_WRMSR", "VMI_RDMSR"),
        readings={
            "fault": "An access to an unimplemented register raises #GP.",
            "zero": (
                "An unimplemented register reads as zero and writes to it "
                "are dropped."
            ),
            "pass-through": (
                "An access to an unimplemented register goes to the "
                "processor's own."
            ),
        },
    ),
    Gap(
        name="msr_key",
        section=CPU_CONTROL,
        case="a key outside EAX, EDX and ECX",
        text=(
            "VMI_WRMSR passes three registers. Some processors write a "
            "register only while a key stands in a fourth; whether that "
            "reaches the processor is not said."
        ),
        calls=("VMI_WRMSR",),
        readings={
            "transported": (
                "All general registers are passed to the processor as they "
                "are at the call."
            ),
            "ignored": (
                "Only EAX, EDX and ECX are passed; a write that needs more "
                "is lost."
            ),
        },
    ),
    Gap(
        name="iret_user_if",
        section=PRIVILEGE,
        case="a return to user space with interrupts disabled",
        text=(
            "The RFC calls such a return invalid and its result undefined. "
            "A task with IOPL 3 does it whenever it is interrupted after "
            "CLI."
        ),
        calls=("VMI_IRET",),
        readings={
            "masked": "User code goes on with interrupts disabled.",
            "enabled": "Interrupts are enabled by the return.",
        },
    ),
)

GAPS: Final[Mapping[str, Gap]] = MappingProxyType(
    {gap.name: gap for gap in _ALL}
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
