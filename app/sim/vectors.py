"""The numbers of the exceptions: SDM vol. 3A, 6.3.1."""

from typing import Final

DE: Final = 0
DB: Final = 1
NMI: Final = 2
BP: Final = 3
OF_TRAP: Final = 4
BR: Final = 5
UD: Final = 6
NM: Final = 7
DOUBLE_FAULT: Final = 8
TS: Final = 10
NP: Final = 11
SS: Final = 12
GP: Final = 13
PAGE_FAULT: Final = 14
MF: Final = 16
AC_FAULT: Final = 17
MACHINE_CHECK: Final = 18

CONTRIBUTORY: Final = frozenset({DE, TS, NP, SS, GP})
"""Two of these in a row make a double fault: SDM vol. 3A, table 6-5."""

FAULTS: Final = frozenset(
    {DE, BR, UD, NM, TS, NP, SS, GP, PAGE_FAULT, MF, AC_FAULT}
)
"""Those whose frame has RF set, so that a breakpoint at the instruction does
not stop its second try: SDM vol. 3B, 17.3.1.1."""
