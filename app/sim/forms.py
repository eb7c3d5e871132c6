"""Which instructions a listing may hold, and which operands each takes.

A form lists the operands by code, in the order of Intel syntax:

=========  ==========================================================
``r``      a general register; ``m`` memory; ``rm`` either; ``i`` a number
``8``      after one of these: of so many bits; ``v``: 16 or 32 bits
``cl``     the register CL
``sreg``   a segment register, ``loadable`` one other than CS
``cr``     a control register
``label``  a label, ``call`` a call of the VMI
=========  ==========================================================

Codes without a size in one form mean the same size. What an instruction does
stands beside its function in `app.sim.instructions`.
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
_SHIFT = ("rm, i8", "rm, cl")
_BIT = ("rmv, rv", "rmv, i8")
_EXTEND = ("rv, rm8", "r32, rm16")
_NONE = ("",)

FORMS: Mapping[str, tuple[str, ...]] = {
    "mov": (
        *_ARITHMETIC,
        *("rm16, sreg", "r32, sreg", "loadable, rm16", "loadable, r32"),
        *("r32, cr", "cr, r32"),
    ),
    **dict.fromkeys(("movzx", "movsx"), _EXTEND),
    "lea": ("r32, m32",),
    **dict.fromkeys(
        ("add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"),
        _ARITHMETIC,
    ),
    **dict.fromkeys(("not", "neg", "inc", "dec", "mul", "div"), _ONE),
    "idiv": _ONE,
    "imul": ("rm", "rv, rmv", "rv, rmv, i"),
    **dict.fromkeys(("shl", "shr", "sar", "rol", "ror"), _SHIFT),
    **dict.fromkeys(("bt", "bts", "btr", "btc"), _BIT),
    **dict.fromkeys(("xchg",), ("rm, r", "r, m")),
    **dict.fromkeys(("cmpxchg", "xadd"), ("rm, r",)),
    **{f"j{name}": ("label",) for name in CONDITIONS},
    **{f"set{name}": ("rm8",) for name in CONDITIONS},
    **{f"cmov{name}": ("rv, rmv",) for name in CONDITIONS},
    "jmp": ("label", "rm32"),
    "call": ("label", "call", "rm32"),
    "ret": ("", "i16"),
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
    "retn": "ret",
}
"""Second names of one instruction."""

LOCKABLE = frozenset(
    {
        *("add", "adc", "and", "btc", "btr", "bts", "cmpxchg", "dec", "inc"),
        *("neg", "not", "or", "sbb", "sub", "xadd", "xchg", "xor"),
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

_WORDS = {
    "rm": "register or memory",
    "r": "register",
    "m": "memory",
    "i": "number",
    "cl": "cl",
    "sreg": "segment register",
    "loadable": "segment register other than cs",
    "cr": "control register",
    "label": "label",
    "call": "VMI call",
}
_SIZES = {"8": "8-bit ", "16": "16-bit ", "32": "32-bit ", "v": ""}


def split_code(code: str) -> tuple[str, str]:
    """Split the code of an operand into what it is and how large."""
    for suffix in _SIZES:
        if code.endswith(suffix):
            return code[: -len(suffix)], suffix
    return code, ""


def describe(mnemonic: str) -> str:
    """Say in words which operands an instruction takes."""

    def in_words(code: str) -> str:
        kind, size = split_code(code)
        return _SIZES.get(size, "") + _WORDS[kind]

    forms = [
        ", ".join(in_words(code) for code in form.split(", ") if code)
        for form in FORMS[mnemonic]
    ]
    return " or ".join(
        f'"{mnemonic} {form}"'.replace(' "', '"')
        if form
        else f'"{mnemonic}" alone'
        for form in forms
    )
