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


_EFFECTS: Mapping[str, Effect] = {
    **dict.fromkeys(_ARITHMETIC, Effect(defines=FLAGS)),
    **dict.fromkeys(
        _LOGIC,
        Effect(defines=FLAGS - {"af"}, undefines=frozenset({"af"})),
    ),
    **dict.fromkeys(("adc", "sbb"), Effect(frozenset({"cf"}), FLAGS)),
    **dict.fromkeys(("inc", "dec"), Effect(defines=FLAGS - {"cf"})),
    **dict.fromkeys(
        ("mul", "imul"),
        Effect(
            defines=frozenset({"cf", "of"}), undefines=FLAGS - {"cf", "of"}
        ),
    ),
    **dict.fromkeys(("div", "idiv"), Effect(undefines=FLAGS)),
    **dict.fromkeys(
        ("bt", "bts", "btr", "btc"),
        Effect(defines=frozenset({"cf"}), undefines=FLAGS - {"cf", "zf"}),
    ),
    **dict.fromkeys(("clc", "stc"), Effect(defines=frozenset({"cf"}))),
    "cmc": Effect(uses=frozenset({"cf"})),
    **dict.fromkeys(("cmps", "scas"), Effect(defines=FLAGS)),
    **dict.fromkeys(
        ("bsf", "bsr"),
        Effect(defines=frozenset({"zf"}), undefines=FLAGS - {"zf"}),
    ),
    **dict.fromkeys(("cmpxchg8b", "arpl"), Effect(defines=frozenset({"zf"}))),
    "lahf": Effect(uses=FLAGS - {"of"}),
    "sahf": Effect(defines=FLAGS - {"of"}),
    **dict.fromkeys(("loope", "loopne"), Effect(uses=frozenset({"zf"}))),
    **{
        f"{prefix}{condition}": Effect(uses=flags)
        for prefix in ("set", "cmov", "j")
        for condition, flags in _CONDITION_FLAGS.items()
    },
}
_ROTATIONS = frozenset({"rol", "ror", "rcl", "rcr"})
_SHIFTS = frozenset({"shl", "shr", "sar", "shld", "shrd"}) | _ROTATIONS


def get_effect(mnemonic: str, operands: tuple[str, ...], size: int) -> Effect:
    """Say what the manual says of an instruction's flags."""
    if mnemonic in _SHIFTS:
        return _get_shift_effect(mnemonic, operands, size)
    return _EFFECTS.get(mnemonic, Effect())


def _get_shift_effect(
    mnemonic: str, operands: tuple[str, ...], size: int
) -> Effect:
    """Say it of a shift or rotation, which depends on how far it goes."""
    rotates = mnemonic in _ROTATIONS
    through = mnemonic in {"rcl", "rcr"}
    uses = frozenset({"cf"}) if through else frozenset()
    affected = frozenset({"cf", "of"}) if rotates else FLAGS
    # The last operand is the count; one that is not written is 1.
    single = len(operands) == 1
    count = "1" if single else operands[-1]
    if count == "cl":
        # The count may be 0, which leaves all flags as they were.
        certain = frozenset({"cf"}) if rotates else FLAGS - {"af", "of"}
        lost = affected - certain
        lost |= {"cf"} if mnemonic in {"shl", "shr"} else frozenset()
        return Effect(uses, undefines=lost)
    steps = int(count, 0) & 31
    if steps == 0:
        return Effect()
    undefined = frozenset({"of"}) if steps > 1 else frozenset()
    if not rotates:
        undefined |= {"af"}
        if mnemonic in {"shl", "shr"} and steps >= size:
            undefined |= {"cf"}
    return Effect(uses, affected - undefined, undefined)
