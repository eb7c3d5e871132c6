"""What a gap is."""

from collections.abc import Mapping
from typing import NamedTuple


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
