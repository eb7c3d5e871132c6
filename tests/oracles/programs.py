"""Random integer programs, reproducible from their number.

A program draws from every integer instruction and every form of its operands
that `app.sim.forms` names, keeps to its own data words and to the stack, and
always comes to its label ``done`` or ends in a division error. Flags that the
manual leaves undefined are neither used nor compared (see `flags`).
"""

import random
from dataclasses import dataclass

from app.sim.forms import FORMS, LOCKABLE, split_code
from tests.oracles.flags import FLAGS, get_effect

WORDS = tuple(f"w{number}" for number in range(8))
"""The data words that a program may read and write."""

SYSTEM = frozenset(
    ("cli", "sti", "hlt", "pushf", "popf", "iret", "int", "int3", "into")
    + ("sysenter", "sysexit", "cpuid", "rdtsc", "rdpmc", "rdmsr", "wrmsr")
    + ("clts", "ud2")
)
"""Instructions that another test goes through, ring by ring."""

REGISTERS = {
    8: ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"),
    16: ("ax", "cx", "dx", "bx", "si", "di", "bp"),
    32: ("eax", "ecx", "edx", "ebx", "esi", "edi", "ebp"),
}
_BASES = ("ebx", "esi", "edi", "ebp")
_POINTERS = {8: "byte ptr", 16: "word ptr", 32: "dword ptr"}
_BYTES = 4 * len(WORDS)
_EDGES = (
    *(0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF),
    *(0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF),
)
_PAIRED = frozenset(
    {"jmp", "call", "ret", "leave", "push", "pop", "pusha", "popa"}
)
"""Instructions that come in blocks which keep the stack in balance."""

_LOCKABLE = LOCKABLE - {"neg"}
"""Unicorn takes SF and PF of LOCK NEG from the old value; tested apart."""

PLAIN = tuple(sorted(set(FORMS) - SYSTEM - _PAIRED))
_INTEGER = frozenset({"r", "m", "rm", "i", "cl", "label", ""})


def get_forms(mnemonic: str) -> list[str]:
    """Return the forms of an instruction that integer code has."""
    return [
        form
        for form in FORMS[mnemonic]
        if all(split_code(code)[0] in _INTEGER for code in form.split(", "))
    ]


@dataclass(frozen=True, slots=True)
class Program:
    """A listing with its first state, and the flags that count at its end."""

    number: int
    text: str
    done: str
    registers: dict[str, int]
    words: dict[str, int]
    defined: frozenset[str]


class Generator:
    """Makes the program of a number; its labels begin with the number."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._random = random.Random(number)  # noqa: S311 - no secret
        self._lines: list[str] = []
        self._undefined: frozenset[str] = frozenset()
        self._labels = 0

    def make(self, length: int = 10) -> Program:
        """Make a program of so many instructions and blocks."""
        registers = {name: self._pick(32) for name in REGISTERS[32]}
        words = {name: self._pick(32) for name in WORDS}
        for _ in range(length):
            self._add_any()
        done = f"p{self._number}_done"
        lines = [*self._lines, f"{done}: jmp {done}"]
        lines += [f"p{self._number}_sub: ret", f"p{self._number}_sub4: ret 4"]
        return Program(
            number=self._number,
            text="\n".join(lines) + "\n",
            done=done,
            registers=registers,
            words=words,
            defined=FLAGS - self._undefined,
        )

    def _pick(self, size: int) -> int:
        """Pick a number of so many bits, often one at an edge."""
        number = self._random.choice(
            (*_EDGES, *(self._random.getrandbits(32) for _ in _EDGES))
        )
        return number & ((1 << size) - 1)

    def _add(self, line: str) -> None:
        self._lines.append(line)

    def _make_label(self) -> str:
        self._labels += 1
        return f"p{self._number}_{self._labels}"

    def _add_any(self) -> None:
        """Add a plain instruction, or now and then a block of several."""
        blocks = (
            *(self._add_push, self._add_pusha, self._add_leave),
            *(self._add_call, self._add_argument, self._add_indirect_call),
            *(self._add_jump, self._add_indirect_jump),
        )
        if self._random.random() < 0.25:
            self._random.choice(blocks)()
        else:
            self._add_plain(self._random.choice(PLAIN))

    def _add_plain(self, mnemonic: str) -> None:
        """Add an instruction, unless it would use an undefined flag."""
        form = self._random.choice(get_forms(mnemonic))
        size = self._pick_size(form)
        if form == "label":
            if not get_effect(mnemonic, (), size).uses & self._undefined:
                self._add_branch(mnemonic)
            return
        codes = form.split(", ") if form else []
        setup, operands = self._make_operands(mnemonic, codes, size)
        effect = get_effect(mnemonic, operands, size)
        if effect.uses & self._undefined:
            return
        for line in [*setup, *self._prepare_division(mnemonic, size)]:
            self._add(line)
        locks = mnemonic in _LOCKABLE and operands[0].endswith("]")
        lock = "lock " if locks and self._random.random() < 0.3 else ""
        self._add(f"{lock}{mnemonic} {', '.join(operands)}".strip())
        self._undefined = self._undefined - effect.defines | effect.undefines

    def _pick_size(self, form: str) -> int:
        """Pick the size that the operands without one of their own share."""
        wide = any(code.endswith("v") for code in form.split(", "))
        return self._random.choice((16, 32) if wide else (8, 16, 32))

    def _prepare_division(self, mnemonic: str, size: int) -> list[str]:
        """Mostly keep a quotient in its register: #DE ends the program."""
        if mnemonic not in {"div", "idiv"} or self._random.random() < 0.1:
            return []
        return {
            8: ["mov ah, 0"],
            16: ["mov dx, 0"],
            32: ["mov edx, 0" if mnemonic == "div" else "cdq"],
        }[size]

    def _make_operands(
        self, mnemonic: str, codes: list[str], size: int
    ) -> tuple[list[str], tuple[str, ...]]:
        """Make operands for a form, and what has to run before them."""
        if mnemonic == "lea":
            return [], (self._pick_register(32), self._make_address())
        setup: list[str] = []
        operands: list[str] = []
        for code in codes:
            kind, bits = split_code(code)
            own = int(bits) if bits not in {"", "v"} else size
            if kind == "rm":
                kind = self._random.choice(("r", "m"))
            if kind == "r":
                operands.append(self._pick_register(own))
            elif kind == "m":
                before, operand = self._make_memory(own)
                setup += before
                operands.append(operand)
            elif kind == "i":
                operands.append(self._make_number(own, signed=bits != "8"))
            else:
                operands.append(code)
        if mnemonic.startswith("bt") and "[" in operands[0]:
            setup += self._aim_bit(operands, size)
        return setup, tuple(operands)

    def _aim_bit(self, operands: list[str], size: int) -> list[str]:
        """Keep the bit that a register selects within the data words."""
        if operands[1] not in REGISTERS[size]:
            return []
        operands[0] = f"{_POINTERS[size]} [{WORDS[4]}]"
        return [f"mov {operands[1]}, {self._random.randrange(-128, 128)}"]

    def _pick_register(self, size: int) -> str:
        return self._random.choice(REGISTERS[size])

    def _make_number(self, size: int, *, signed: bool = True) -> str:
        """Write a number in one of the ways of the language."""
        number = self._pick(size)
        if not signed:
            # Counts of shifts and of bits: what is near the sizes matters.
            number = self._random.choice((0, 1, 2, 7, 8, 16, 31, 32, number))
        elif number >> (size - 1):
            number -= self._random.choice((0, 1 << size))
        return hex(number) if self._random.random() < 0.5 else str(number)

    def _make_memory(self, size: int) -> tuple[list[str], str]:
        """Make an operand within the data words, of one of many shapes."""
        offset = self._random.randrange(_BYTES - size // 8 + 1)
        base = self._random.choice(_BASES)
        scale = self._random.choice((1, 2, 4, 8))
        count = offset // scale
        rest = offset - count * scale
        setup, address = self._random.choice(
            (
                ([], f"{WORDS[0]} + {offset}"),
                ([], f"{WORDS[offset // 4]} + {offset % 4}"),
                ([f"mov {base}, {offset}"], f"{WORDS[0]} + {base}"),
                ([f"mov {base}, offset {WORDS[0]}"], f"{base} + {offset}"),
                (
                    [
                        f"mov {base}, offset {WORDS[0]}",
                        f"lea {base}, [{base} + 64]",
                    ],
                    f"{base} - {64 - offset}",
                ),
                (
                    [f"mov {base}, {count}"],
                    f"{WORDS[0]} + {base}*{scale} + {rest}",
                ),
                (
                    [f"mov eax, {rest}", f"mov {base}, {count}"],
                    f"{WORDS[0]} + eax + {base}*{scale}",
                ),
            )
        )
        return setup, f"{_POINTERS[size]} [{address}]"

    def _make_address(self) -> str:
        """Make an address that nothing reads, for LEA."""
        index = self._random.choice(("", " + ecx*4", " + ebp*8", " + esi"))
        sign = self._random.choice("+-")
        return f"[{self._pick_register(32)}{index} {sign} {self._pick(16)}]"

    def _add_branch(self, mnemonic: str) -> None:
        """Add a forward branch over a few instructions."""
        label = self._make_label()
        self._add(f"{mnemonic} {label}")
        before = self._undefined
        for _ in range(self._random.randrange(1, 3)):
            self._add_plain(self._random.choice(PLAIN))
        self._add(f"{label}: nop")
        self._undefined |= before

    def _add_push(self) -> None:
        """Push something, work on it where it lies, pop it elsewhere."""
        setup, source = self._random.choice(
            (
                ([], self._pick_register(32)),
                ([], self._make_number(32)),
                self._make_memory(32),
            )
        )
        for line in setup:
            self._add(line)
        self._add(f"push {source}")
        if self._random.random() < 0.5:
            register = self._pick_register(32)
            mnemonic = self._random.choice(("mov", "xchg", "movzx"))
            pointer = "word ptr" if mnemonic == "movzx" else "dword ptr"
            self._add(f"{mnemonic} {register}, {pointer} [esp]")
        self._add_plain(self._random.choice(PLAIN))
        setup, target = self._random.choice(
            (([], self._pick_register(32)), self._make_memory(32))
        )
        for line in setup:
            self._add(line)
        self._add(f"pop {target}")

    def _add_pusha(self) -> None:
        self._add("pusha")
        self._add_plain(self._random.choice(PLAIN))
        self._add("popa")

    def _add_leave(self) -> None:
        self._add("push ebp")
        self._add("mov ebp, esp")
        self._add(f"push {self._pick_register(32)}")
        self._add("leave")

    def _add_call(self) -> None:
        self._add(f"call p{self._number}_sub")

    def _add_argument(self) -> None:
        self._add(f"push {self._pick_register(32)}")
        self._add(f"call p{self._number}_sub4")

    def _add_indirect_call(self) -> None:
        """Call through a register or a word; leave no address behind."""
        target, read = self._random.choice(
            ((self._pick_register(32),) * 2, (f"dword ptr [{WORDS[3]}]",) * 2)
        )
        self._add(f"mov {target}, offset p{self._number}_sub")
        self._add(f"call {read}")
        self._add(f"mov {target}, {self._pick(32)}")

    def _add_jump(self) -> None:
        label = self._make_label()
        self._add(f"jmp {label}")
        before = self._undefined
        self._add_plain(self._random.choice(PLAIN))
        self._add(f"{label}: nop")
        # What was jumped over neither defined nor spoilt a flag.
        self._undefined = before

    def _add_indirect_jump(self) -> None:
        """Jump through a register; leave no address behind."""
        label = self._make_label()
        register = self._pick_register(32)
        self._add(f"mov {register}, offset {label}")
        self._add(f"jmp {register}")
        self._add("ud2")
        self._add(f"{label}: mov {register}, {self._pick(32)}")
