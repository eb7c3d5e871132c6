"""Which instructions a listing may hold, and which operands each takes.

A form lists the operands by code, in the order of Intel syntax:

=========  ==========================================================
``r``      a general register; ``m`` memory; ``rm`` either; ``i`` a number
``8``      after one of these: of so many bits; ``v``: 16 or 32 bits
``place``  memory of which only the address counts
``cl``     the register CL, and so ``al``, ``ax``, ``eax`` and ``dx``
``sreg``   a segment register, ``loadable`` one other than CS
``cr``     a control register, ``dr`` a debug register
``label``  a label, ``call`` a call of the VMI, ``far`` selector and label
``di``     memory at ``es:[edi]``
``si``     memory at ``[esi]``, ``bx`` at ``[ebx]``, of any segment
=========  ==========================================================

Codes without a size in one form mean the same size; 48 bits are a far pointer
or the base and limit of a table. What an instruction does stands beside its
function in `app.sim.instructions`.
"""

from collections.abc import Mapping

CONDITIONS = (
    *("o", "no", "b", "ae", "e", "ne", "be", "a"),
    *("s", "ns", "p", "np", "l", "ge", "le", "g"),
)
"""The sixteen conditions in the order of their encoding."""

SAME_CONDITION: Mapping[str, str] = {
    "c": "b",
    "nae": "b",
    "nc": "ae",
    "nb": "ae",
    "z": "e",
    "nz": "ne",
    "na": "be",
    "nbe": "a",
    "pe": "p",
    "po": "np",
    "nge": "l",
    "nl": "ge",
    "ng": "le",
    "nle": "g",
}

_ARITHMETIC = ("rm, r", "r, m", "rm, i")
_ONE = ("rm",)
_SHIFT = ("rm, i8", "rm, cl", "rm")
_BIT = ("rmv, rv", "rmv, i8")
_EXTEND = ("rv, rm8", "r32, rm16")
_DOUBLE_SHIFT = ("rmv, rv, i8", "rmv, rv, cl")
_TABLE = ("m48",)
_SELECTOR = ("rm16",)
_STORED = ("rm16", "r32")
_LIMIT = ("r16, rm16", "r32, r32", "r32, rm16")
_PORT = ("al", "ax", "eax")
_NONE = ("",)

SHIFTS = ("shl", "shr", "sar", "rol", "ror", "rcl", "rcr")
"""Those that shift by 1 where no count is written."""

FORMS: Mapping[str, tuple[str, ...]] = {
    "mov": (
        *_ARITHMETIC,
        *("rm16, sreg", "r32, sreg", "loadable, rm16", "loadable, r32"),
        *("r32, cr", "cr, r32", "r32, dr", "dr, r32"),
    ),
    **dict.fromkeys(("movzx", "movsx"), _EXTEND),
    "lea": ("r32, m32",),
    **dict.fromkeys(
        ("add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"),
        _ARITHMETIC,
    ),
    **dict.fromkeys(("not", "neg", "inc", "dec", "mul", "div"), _ONE),
    "idiv": _ONE,
    "imul": ("rm", "rv, rmv", "rv, rmv, i", "rv, i"),
    **dict.fromkeys(SHIFTS, _SHIFT),
    **dict.fromkeys(("shld", "shrd"), _DOUBLE_SHIFT),
    **dict.fromkeys(("bsf", "bsr"), ("rv, rmv",)),
    "bswap": ("r32",),
    **dict.fromkeys(("bt", "bts", "btr", "btc"), _BIT),
    **dict.fromkeys(("xchg",), ("rm, r", "r, m")),
    **dict.fromkeys(("cmpxchg", "xadd"), ("rm, r",)),
    "cmpxchg8b": ("m64",),
    **{f"j{name}": ("label",) for name in CONDITIONS},
    **{f"set{name}": ("rm8",) for name in CONDITIONS},
    **{f"cmov{name}": ("rv, rmv",) for name in CONDITIONS},
    **dict.fromkeys(("loop", "loope", "loopne"), ("label",)),
    **dict.fromkeys(("jcxz", "jecxz"), ("label",)),
    "jmp": ("label", "rm32", "far", "m48"),
    "call": ("label", "call", "rm32", "far", "m48"),
    **dict.fromkeys(("ret", "retf"), ("", "i16")),
    "enter": ("i16, i8",),
    "bound": ("r32, m64",),
    "push": ("rm32", "i", "sreg"),
    "pop": ("rm32", "loadable"),
    "int": ("i8",),
    **dict.fromkeys(
        ("pusha", "popa", "leave", "cdq", "cwde", "cbw", "cwd"), _NONE
    ),
    **dict.fromkeys(("clc", "stc", "cmc", "nop", "pause", "ud2"), _NONE),
    **dict.fromkeys(("cli", "sti", "hlt", "pushf", "popf", "iret"), _NONE),
    **dict.fromkeys(("sysenter", "sysexit", "int3", "into", "clts"), _NONE),
    **dict.fromkeys(("cpuid", "rdtsc", "rdpmc", "rdmsr", "wrmsr"), _NONE),
    **dict.fromkeys(("cld", "std", "lahf", "sahf"), _NONE),
    **dict.fromkeys(("fnop", "fwait", "invd", "wbinvd"), _NONE),
    "movs": ("di, si",),
    "cmps": ("si, di",),
    **dict.fromkeys(("stos", "scas"), ("di",)),
    "lods": ("si",),
    "xlat": ("bx8",),
    "ins": ("di, dx",),
    "outs": ("dx, si",),
    "in": tuple(f"{to}, {at}" for at in ("i8", "dx") for to in _PORT),
    "out": tuple(f"{at}, {to}" for at in ("i8", "dx") for to in _PORT),
    **dict.fromkeys(("lgdt", "sgdt", "lidt", "sidt"), _TABLE),
    **dict.fromkeys(("lldt", "ltr", "lmsw", "verr", "verw"), _SELECTOR),
    **dict.fromkeys(("sldt", "str", "smsw"), _STORED),
    **dict.fromkeys(("lar", "lsl"), _LIMIT),
    "arpl": ("rm16, r16",),
    **dict.fromkeys(("lds", "les", "lfs", "lgs", "lss"), ("r32, m48",)),
    "invlpg": ("place",),
}

ALIASES: Mapping[str, str] = {
    **{
        f"{prefix}{other}": f"{prefix}{name}"
        for prefix in ("j", "set", "cmov")
        for other, name in SAME_CONDITION.items()
    },
    "sal": "shl",
    "iretd": "iret",
    "pushfd": "pushf",
    "popfd": "popf",
    "pushad": "pusha",
    "popad": "popa",
    "ud2a": "ud2",
    "lret": "retf",
    "loopz": "loope",
    "loopnz": "loopne",
    "wait": "fwait",
    "endbr32": "nop",
}
"""Second names of one instruction."""

SHORT: Mapping[str, tuple[str, int]] = {
    **{
        f"{name}{letter}": (name, size)
        for name in ("movs", "cmps", "stos", "lods", "scas", "ins", "outs")
        for letter, size in (("b", 1), ("w", 2), ("d", 4))
    },
    "xlat": ("xlat", 1),
    "xlatb": ("xlat", 1),
}
"""Names that say the size of memory operands which are not written."""

REPEATS: Mapping[str, str] = {
    "rep": "rep",
    "repe": "repe",
    "repz": "repe",
    "repne": "repne",
    "repnz": "repne",
}
"""The prefixes that repeat a string instruction, and the one name of each."""

REPEATABLE = frozenset({"movs", "stos", "lods", "ins", "outs"})
"""Those that ``rep`` repeats ECX times."""

SEARCHES = frozenset({"cmps", "scas"})
"""Those that ``repe`` and ``repne`` repeat while they find what they want."""

LOCKABLE = frozenset(
    {
        *("add", "adc", "and", "btc", "btr", "bts", "cmpxchg", "dec", "inc"),
        *("neg", "not", "or", "sbb", "sub", "xadd", "xchg", "xor"),
        "cmpxchg8b",
    }
)
"""Those that take the prefix ``lock`` when they write to memory."""

REGISTER_BYTES: Mapping[str, int] = {
    **dict.fromkeys(
        ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"), 4
    ),
    **dict.fromkeys(("ax", "cx", "dx", "bx", "sp", "bp", "si", "di"), 2),
    **dict.fromkeys(("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"), 1),
}
"""The general registers and how many bytes each has."""

SEGMENT_REGISTERS = ("es", "cs", "ss", "ds", "fs", "gs")
CONTROL_REGISTERS = ("cr0", "cr2", "cr3", "cr4")

DEBUG_REGISTERS = tuple(f"dr{number}" for number in range(8))

_WORDS = {
    "rm": "register or memory",
    "r": "register",
    "m": "memory",
    "i": "number",
    "place": "memory",
    **{name: name for name in ("cl", "al", "ax", "eax", "dx")},
    "sreg": "segment register",
    "loadable": "segment register other than cs",
    "cr": "control register",
    "dr": "debug register",
    "label": "label",
    "call": "VMI call",
    "far": "selector:label",
    "di": "memory at es:[edi]",
    "si": "memory at [esi]",
    "bx": "memory at [ebx]",
}
_SIZES = {
    **{bits: f"{bits}-bit " for bits in ("8", "16", "32", "48", "64")},
    "v": "",
}
_SIZED = ("r", "m", "rm", "i", "bx")


def split_code(code: str) -> tuple[str, str]:
    """Split the code of an operand into what it is and how large."""
    for kind in _SIZED:
        if code.startswith(kind) and code[len(kind) :] in _SIZES:
            return kind, code[len(kind) :]
    return code, ""


def describe_form(mnemonic: str, form: str) -> str:
    """Say in words which operands a form takes."""
    if not form:
        return f'"{mnemonic}" alone'
    words = []
    for code in form.split(", "):
        kind, size = split_code(code)
        words.append(_SIZES.get(size, "") + _WORDS[kind])
    return f'"{mnemonic} {", ".join(words)}"'


def describe(name: str) -> str:
    """Say in words which operands an instruction takes."""
    mnemonic = SHORT[name][0] if name in SHORT else name
    shorts = [short for short in SHORT if SHORT[short][0] == mnemonic]
    forms = [describe_form(mnemonic, form) for form in FORMS[mnemonic]]
    return " or ".join([describe_form(short, "") for short in shorts] + forms)
