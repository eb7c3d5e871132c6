"""Which flags an integer instruction uses, defines and leaves undefined.

From SDM vol. 2, «Flags affected» of each instruction: the simulator's tables
are not asked, for they are what is tested.
"""

from collections.abc import Mapping
from typing import NamedTuple

FLAGS = frozenset({"cf", "pf", "af", "zf", "sf", "of"})
_ARITHMETIC = frozenset({"add", "sub", "cmp", "neg", "xadd", "cmpxchg"})
_LOGIC = frozenset({"and", "or", "xor", "test"})
_CONDITION_FLAGS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("o", "no"), frozenset({"of"})),
    **dict.fromkeys(("b", "ae"), frozenset({"cf"})),
    **dict.fromkeys(("e", "ne"), frozenset({"zf"})),
    **dict.fromkeys(("be", "a"), frozenset({"cf", "zf"})),
    **dict.fromkeys(("s", "ns"), frozenset({"sf"})),
    **dict.fromkeys(("p", "np"), frozenset({"pf"})),
    **dict.fromkeys(("l", "ge"), frozenset({"sf", "of"})),
    **dict.fromkeys(("le", "g"), frozenset({"zf", "sf", "of"})),
}


class Effect(NamedTuple):
    """The flags that an instruction uses, defines and leaves undefined."""

    uses: frozenset[str] = frozenset()
    defines: frozenset[str] = frozenset()
    undefines: frozenset[str] = frozenset()


def get_effect(mnemonic: str, operands: tuple[str, ...], size: int) -> Effect:
    """Say what the manual says of an instruction's flags."""
    if mnemonic in _ARITHMETIC:
        return Effect(defines=FLAGS)
    if mnemonic in _LOGIC:
        return Effect(defines=FLAGS - {"af"}, undefines=frozenset({"af"}))
    if mnemonic in {"adc", "sbb"}:
        return Effect(frozenset({"cf"}), FLAGS)
    if mnemonic in {"inc", "dec"}:
        return Effect(defines=FLAGS - {"cf"})
    if mnemonic in {"mul", "imul"}:
        carries = frozenset({"cf", "of"})
        return Effect(defines=carries, undefines=FLAGS - carries)
    if mnemonic in {"div", "idiv"}:
        return Effect(undefines=FLAGS)
    if mnemonic in {"bt", "bts", "btr", "btc"}:
        return Effect(
            defines=frozenset({"cf"}), undefines=FLAGS - {"cf", "zf"}
        )
    if mnemonic in {"clc", "stc"}:
        return Effect(defines=frozenset({"cf"}))
    if mnemonic == "cmc":
        return Effect(uses=frozenset({"cf"}))
    if mnemonic in {"shl", "shr", "sar", "rol", "ror"}:
        return _get_shift_effect(mnemonic, operands, size)
    for prefix in ("set", "cmov", "j"):
        condition = mnemonic.removeprefix(prefix)
        if condition != mnemonic and condition in _CONDITION_FLAGS:
            return Effect(uses=_CONDITION_FLAGS[condition])
    return Effect()


def _get_shift_effect(
    mnemonic: str, operands: tuple[str, ...], size: int
) -> Effect:
    """Say it of a shift or rotation, which depends on how far it goes."""
    rotates = mnemonic in {"rol", "ror"}
    affected = frozenset({"cf", "of"}) if rotates else FLAGS
    if operands[1] == "cl":
        # The count may be 0, which leaves all flags as they were.
        certain = frozenset({"cf"}) if rotates else FLAGS - {"af", "of"}
        lost = affected - certain
        lost |= {"cf"} if mnemonic in {"shl", "shr"} else frozenset()
        return Effect(undefines=lost)
    count = int(operands[1], 0) & 31
    if count == 0:
        return Effect()
    undefined = frozenset({"of"}) if count > 1 else frozenset()
    if not rotates:
        undefined |= {"af"}
        if mnemonic != "sar" and count >= size:
            undefined |= {"cf"}
    return Effect(defines=affected - undefined, undefines=undefined)
