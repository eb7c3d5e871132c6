"""Random integer programs, reproducible from their number.

A program draws from every integer instruction and every form of its operands
that `app.sim.forms` names, keeps to its own data words and to the stack, and
always comes to its label ``done`` or ends in a division error. Flags that the
manual leaves undefined are neither used nor compared (see `flags`). It runs
in ring 0 or in ring 3; what differs there is compared too.
"""

import random
from dataclasses import dataclass

from app.sim.forms import FORMS, LOCKABLE, REPEATABLE, SEARCHES, split_code
from tests.oracles.flags import FLAGS, get_effect

WORDS = tuple(f"w{number}" for number in range(8))
"""The data words that a program may read and write."""

SYSTEM = frozenset(
    ("cli", "sti", "hlt", "pushf", "popf", "iret", "int", "int3", "into")
    + ("sysenter", "sysexit", "cpuid", "rdtsc", "rdpmc", "rdmsr", "wrmsr")
    + ("clts", "ud2")
)
"""Instructions that another test goes through, ring by ring."""

ELSEWHERE = frozenset(
    ("in", "out", "ins", "outs", "lgdt", "sgdt", "lidt", "sidt", "lldt")
    + ("sldt", "ltr", "str", "lmsw", "smsw", "invlpg", "invd", "wbinvd")
    + ("lar", "lsl", "verr", "verw", "lds", "les", "lfs", "lgs", "lss")
    + ("retf", "bound", "fnop", "fwait")
)
"""Instructions on ports, descriptors and the coprocessor: not in flat code."""

REGISTERS = {
    8: ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"),
    16: ("ax", "cx", "dx", "bx", "si", "di", "bp"),
    32: ("eax", "ecx", "edx", "ebx", "esi", "edi", "ebp"),
}
_BASES = ("ebx", "esi", "edi", "ebp")
_POINTERS = {8: "byte ptr", 16: "word ptr", 32: "dword ptr", 64: "qword ptr"}
_BYTES = 4 * len(WORDS)
_EDGES = (
    *(0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF),
    *(0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF),
)
_STRINGS = REPEATABLE | SEARCHES
_LETTERS = {8: "b", 16: "w", 32: "d"}
_OVERRIDES = ("", "", "", "es:", "ds:", "ss:")
_PAIRED = frozenset(
    ("jmp", "call", "ret", "leave", "enter", "push", "pop", "pusha", "popa")
    + ("pushf", "popf", "cli", "sti", "xlat")
)
"""Instructions that come in blocks with what they need around them."""

_LOCKABLE = LOCKABLE - {"neg"}
"""Unicorn takes SF and PF of LOCK NEG from the old value; tested apart."""

PLAIN = tuple(sorted(set(FORMS) - SYSTEM - ELSEWHERE - _PAIRED - _STRINGS))
_STRAIGHT = tuple(name for name in PLAIN if FORMS[name] != ("label",))
_INTEGER = frozenset({"r", "m", "rm", "i", "cl", "label", ""})
_KEPT_FLAGS = 0xCD5
"""The arithmetic flags and DF, as POPF sets them."""
_BITS = {"cf": 0x1, "pf": 0x4, "af": 0x10, "zf": 0x40, "sf": 0x80, "of": 0x800}
_IF = 0x200


def get_forms(mnemonic: str) -> list[str]:
    """Return the forms of an instruction that integer code has."""
    return [
        form
        for form in FORMS[mnemonic]
        if all(split_code(code)[0] in _INTEGER for code in form.split(", "))
        and not form.endswith("m48")
    ]


@dataclass(frozen=True, slots=True)
class Program:
    """A listing with its first state, and the flags that count at its end."""

    number: int
    cpl: int
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
        self._cpl = self._random.choice((0, 0, 0, 3))
        self._blocks = (
            *(self._add_push, self._add_pusha, self._add_leave),
            *(self._add_call, self._add_argument, self._add_indirect_call),
            *(self._add_jump, self._add_indirect_jump, self._add_table_jump),
            *(self._add_string, self._add_string, self._add_string),
            *(self._add_pushf, self._add_popf, self._add_xlat),
            *(self._add_enter, self._add_interrupts),
        )

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
            cpl=self._cpl,
            text="\n".join(lines) + "\n",
            done=done,
            registers=registers,
            words=words,
            defined=FLAGS - self._undefined,
        )

    def _pick(self, size: int) -> int:
        """Pick a number of so many bits, often one at an edge."""
        if self._random.random() < 0.5:
            number = self._random.choice(_EDGES)
        else:
            number = self._random.getrandbits(32)
        return number & ((1 << size) - 1)

    def _add(self, line: str) -> None:
        self._lines.append(line)

    def _make_label(self) -> str:
        self._labels += 1
        return f"p{self._number}_{self._labels}"

    def _add_any(self) -> None:
        """Add a plain instruction, or now and then a block of several."""
        if self._random.random() < 0.3:
            self._random.choice(self._blocks)()
        else:
            self._add_plain(self._random.choice(PLAIN))

    def _add_plain(self, mnemonic: str) -> None:
        """Add an instruction, unless it would use an undefined flag."""
        form = self._random.choice(get_forms(mnemonic))
        size = self._pick_size(mnemonic, form)
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
        locks = mnemonic in _LOCKABLE and "ptr" in operands[0]
        lock = "lock " if locks and self._random.random() < 0.3 else ""
        self._add(f"{lock}{mnemonic} {', '.join(operands)}".strip())
        self._undefined = self._undefined - effect.defines | effect.undefines

    def _pick_size(self, mnemonic: str, form: str) -> int:
        """Pick the size that the operands without one of their own share."""
        wide = any(code.endswith("v") for code in form.split(", "))
        if mnemonic in {"shld", "shrd"} and form.endswith("cl"):
            # A word may not be shifted by more than it has.
            return 32
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
        setup += self._adjust(mnemonic, operands, size)
        return setup, tuple(operands)

    def _adjust(
        self, mnemonic: str, operands: list[str], size: int
    ) -> list[str]:
        """Keep operands within what is defined and can be compared."""
        if mnemonic.startswith("bt") and "ptr" in operands[0]:
            return self._aim_bit(operands, size)
        if mnemonic in {"shld", "shrd"} and size == 16:
            operands[2] = str(self._random.randrange(17))
        if mnemonic != "cmpxchg8b":
            return []
        # Unicorn loses flags that it has not computed yet; tested apart.
        setup = ["pushfd", "popfd"]
        if self._random.random() < 0.5:
            operands[0] = f"qword ptr [{WORDS[2]}]"
            setup += [f"mov eax, [{WORDS[2]}]", f"mov edx, [{WORDS[3]}]"]
        return setup

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
        segment = self._random.choice(_OVERRIDES)
        setup, address = self._random.choice(
            (
                ([], f"[{WORDS[0]} + {offset}]"),
                ([], f"{WORDS[0]}+{offset}"),
                ([], f"[{WORDS[offset // 4]} + {offset % 4}]"),
                ([f"mov {base}, {offset}"], f"[{WORDS[0]} + {base}]"),
                ([f"mov {base}, {offset}"], f"{WORDS[0]}[{base}]"),
                ([f"mov {base}, offset {WORDS[0]}"], f"[{base} + {offset}]"),
                (
                    [
                        f"mov {base}, offset {WORDS[0]}",
                        f"lea {base}, [{base} + 64]",
                    ],
                    f"[{base} - {64 - offset}]",
                ),
                (
                    [f"mov {base}, {count}"],
                    f"[{WORDS[0]} + {base}*{scale} + {rest}]",
                ),
                (
                    [f"mov eax, {rest}", f"mov {base}, {count}"],
                    f"[{WORDS[0]} + eax + {base}*{scale}]",
                ),
            )
        )
        return setup, f"{_POINTERS[size]} {segment}{address}"

    def _make_address(self) -> str:
        """Make an address that nothing reads, for LEA."""
        index = self._random.choice(("", " + ecx*4", " + ebp*8", " + esi"))
        sign = self._random.choice("+-")
        return f"[{self._pick_register(32)}{index} {sign} {self._pick(16)}]"

    def _add_branch(self, mnemonic: str) -> None:
        """Add a forward branch over a few instructions."""
        label = self._make_label()
        if mnemonic in {"loope", "loopne"}:
            # Unicorn loses flags that it has not computed yet; tested apart.
            self._add("pushfd")
            self._add("popfd")
        self._add(f"{mnemonic} {label}")
        before = self._undefined
        for _ in range(self._random.randrange(1, 3)):
            # No branch again: some reach no further than 127 bytes.
            self._add_plain(self._random.choice(_STRAIGHT))
        self._add(f"{label}: nop")
        self._undefined |= before

    # ------------------------------------------------------ stack and jumps

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

    def _add_enter(self) -> None:
        """Make a frame and drop it; what it holds is copied out."""
        room = 4 * self._random.randrange(4)
        register = self._random.choice(("eax", "ecx", "esi", "edi"))
        self._add(f"enter {room}, {self._random.randrange(2)}")
        self._add(f"mov {register}, dword ptr [ebp]")
        self._add("leave")

    def _add_call(self) -> None:
        self._add(f"call p{self._number}_sub")

    def _add_argument(self) -> None:
        self._add(f"push {self._pick_register(32)}")
        self._add(f"call p{self._number}_sub4")

    def _add_indirect_call(self) -> None:
        """Call through a register or a word; leave no address behind."""
        target, read = self._random.choice(
            (
                (self._pick_register(32),) * 2,
                (f"dword ptr [{WORDS[3]}]",) * 2,
                (f"dword ptr [{WORDS[3]}]", f"[dword ptr {WORDS[3]}]"),
            )
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

    def _add_table_jump(self) -> None:
        """Jump as a compiler's switch does; leave no address behind."""
        label = self._make_label()
        register = self._pick_register(32)
        number = self._random.randrange(len(WORDS))
        self._add(f"mov {register}, {number}")
        self._add(f"mov dword ptr {WORDS[0]}[{register}*4], offset {label}")
        self._add(f"jmp [dword ptr {WORDS[0]}[0+{register}*4]]")
        self._add("ud2")
        self._add(f"{label}: mov dword ptr [{WORDS[number]}], {number}")

    # ------------------------------------------------- strings, flags, rings

    def _add_string(self) -> None:
        """Add a string instruction that stays within the data words."""
        mnemonic = self._random.choice(
            ("movs", "stos", "lods", "cmps", "scas")
        )
        size = self._random.choice((8, 16, 32))
        down = self._random.random() < 0.3
        prefix = ""
        count = 1
        if self._random.random() < 0.7:
            names = ("repe", "repne") if mnemonic in SEARCHES else ("rep",)
            prefix = f"{self._random.choice(names)} "
            count = self._random.randrange(9)
            self._add(f"mov ecx, {count}")
        step = size // 8
        for register in ("esi", "edi"):
            first = self._random.randrange(_BYTES - step * max(count, 1) + 1)
            if down:
                first += step * (max(count, 1) - 1)
            self._add(f"mov {register}, offset {WORDS[0]} + {first}")
        self._add("std" if down else "cld")
        self._add(prefix + self._write_string(mnemonic, size))
        self._add("cld")
        if mnemonic in SEARCHES and count:
            self._undefined = frozenset()

    def _write_string(self, mnemonic: str, size: int) -> str:
        """Write it by its short name, or with an override written out."""
        pointer = _POINTERS[size]
        if mnemonic not in {"movs", "lods"} or self._random.random() < 0.7:
            return f"{mnemonic}{_LETTERS[size]}"
        source = f"{pointer} {self._random.choice(('es:', 'ss:'))}[esi]"
        if mnemonic == "lods":
            return f"lods {source}"
        return f"movs {pointer} es:[edi], {source}"

    def _add_pushf(self) -> None:
        """Read the flags that are defined; IF too, which tells the ring."""
        mask = _IF | sum(
            bit for flag, bit in _BITS.items() if flag not in self._undefined
        )
        register = self._pick_register(32)
        self._add("pushfd")
        self._add(f"pop {register}")
        self._add(f"and {register}, {mask:#x}")
        self._undefined = frozenset({"af"})

    def _add_popf(self) -> None:
        """Set all flags; in ring 3 the change of IF is lost in silence."""
        self._add(f"push {self._pick(12) & _KEPT_FLAGS | self._pick_if()}")
        self._add("popfd")
        self._add("cld")
        self._undefined = frozenset()

    def _pick_if(self) -> int:
        return self._random.choice((0, _IF))

    def _add_interrupts(self) -> None:
        """Turn interrupts on or off, where the ring may."""
        if not self._cpl:
            self._add(self._random.choice(("cli", "sti")))

    def _add_xlat(self) -> None:
        self._add(f"mov ebx, offset {WORDS[0]}")
        self._add(f"mov al, {self._random.randrange(_BYTES)}")
        self._add(self._random.choice(("xlat", "xlat byte ptr es:[ebx]")))
