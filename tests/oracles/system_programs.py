"""Random programs of system instructions, reproducible from their number.

A program mixes integer code with blocks that work on segment registers,
descriptor tables, control and debug registers, model-specific registers and
far transfers. It comes to its label ``done``, or ends in the first exception.
It goes round what Unicorn gets wrong in use (limits, types and null selectors
of segments, reserved bits): other tests go through these cell by cell.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.sim.machine import Segment
from tests.oracles.programs import WORDS, Generator, Program

ENTRIES = (0x30, 0x38, 0x40, 0x90, 0x98)
"""Free entries of the GDT, the last two behind the limit of `SHORT_GDT`."""
SHORT_GDT = 0x8F
LDT_ENTRY = 0x8
WINDOW = 0x30
"""The entry that has the data words at its offset 0."""

_ACCESS = (
    *(0x91, 0x93, 0xF1, 0xF3, 0xB3, 0x13, 0x73, 0x99, 0x9B, 0x9F),
    *(0xFB, 0xFF, 0x1B, 0x82, 0x89, 0x8B, 0xE2, 0x02, 0x80, 0x8C, 0x8E),
)
"""Code, data and system descriptors, present or not, of several rings."""

_SELECTORS = (
    *(0, 3, 0x04, LDT_ENTRY | 4, LDT_ENTRY | 7, 0x60, 0x63, 0x68, 0x6B),
    *(0x73, 0x7B, 0x80, 0x88, 0x100),
)
"""Selectors of the tables' own entries, of the LDT's one, and of nothing."""

_LABEL = re.compile(r"(p\d+_\w+):\s*(.*)")
_CR0_BITS = (0x2, 0x4, 0x8, 0x20, 0x1_0000, 0x4_0000)
_CR4_BITS = (0x1, 0x2, 0x4, 0x8, 0x10, 0x40, 0x80, 0x100, 0x200)
_DR6_BITS = 0xE00F
_DR7_BITS = 0xFFFF_0300
_CS = (0x60, 0x73)


@dataclass(frozen=True, slots=True)
class SystemProgram:
    """A program, its statements marked, and the descriptors it meets."""

    program: Program
    marked: str
    gdt: dict[int, Segment]
    ldt: Segment


def mark_statements(number: int, text: str) -> str:
    """Put a label before each statement of the program of a number."""
    lines: list[str] = []
    for count, line in enumerate(text.splitlines()):
        found = _LABEL.match(line)
        lines += [f"{found[1]}:"] if found else []
        lines += [f"p{number}.{count}:", found[2] if found else line]
    return "\n".join(lines) + "\n"


class SystemGenerator(Generator):
    """Makes the system program of a number."""

    def __init__(self, number: int, words_at: int) -> None:
        super().__init__(number)
        window = Segment(words_at, 0xFFFF_FFFF, 0xF3, 0xC)
        self._gdt = {
            entry: Segment(0, 0xFFFF_FFFF, self._random.choice(_ACCESS), 0xC)
            for entry in ENTRIES
        } | {WINDOW: window}
        self._ldt = Segment(0, 0xF_FFFF, self._random.choice(_ACCESS), 0x4)
        everywhere: tuple[Callable[[], None], ...] = (
            *(self._add_load, self._add_load, self._add_flat_load),
            *(self._add_window, self._add_pointer, self._add_far),
            *(self._add_store, self._add_question, self._add_bound),
            *(self._add_selector_push, self._add_coprocessor),
        )
        privileged: tuple[Callable[[], None], ...] = (
            *(self._add_control, self._add_status, self._add_debug),
            *(self._add_msr, self._add_gdt, self._add_tables),
            *(self._add_tasks, self._add_cache),
        )
        # At CPL 3 the first of these ends the program: a few are enough.
        rare = privileged if self._random.random() < 0.2 else ()
        self._system = everywhere + (rare if self._cpl else privileged)

    def make_system(self) -> SystemProgram:
        """Make a program with a label before each statement."""
        program = self.make(8)
        marked = mark_statements(program.number, program.text)
        return SystemProgram(program, marked, self._gdt, self._ldt)

    def _add_any(self) -> None:
        """Add a system block as often as integer code."""
        if self._random.random() < 0.6:
            self._random.choice(self._system)()
        else:
            super()._add_any()

    def _pick_selector(self) -> int:
        if self._random.random() < 0.5:
            return self._random.choice(_SELECTORS)
        return self._random.choice(ENTRIES) | self._random.choice((0, 0, 1, 3))

    def _pick_good(self) -> int:
        """Pick a selector of flat data that this ring may load."""
        return 0x7B if self._cpl else self._random.choice((0x68, 0x7B, 0x78))

    # ------------------------------------------------------------- segments

    def _add_load(self) -> None:
        """Load FS or GS with anything."""
        register = self._random.choice(("fs", "gs"))
        selector = self._pick_selector()
        if self._random.random() < 0.5:
            self._add(f"mov eax, {selector}")
            self._add(f"mov {register}, {self._random.choice(('eax', 'ax'))}")
        else:
            self._add(f"push {selector}")
            self._add(f"pop {register}")
        self._add(f"mov ecx, {register}")

    def _add_flat_load(self) -> None:
        """Load DS, ES or SS with what it may well hold."""
        register = self._random.choice(("ds", "es", "ss"))
        selector = self._pick_good()
        if register == "ss":
            selector = 0x7B if self._cpl else 0x68
        if self._random.random() < 0.1:
            selector = self._random.choice((0x80, 0x88, 0x100))
        if self._random.random() < 0.5:
            self._add(f"mov edx, {selector}")
            self._add(f"mov {register}, edx")
        else:
            self._add(f"push {selector}")
            self._add(f"pop {register}")

    def _add_window(self) -> None:
        """Reach the data words through a segment that begins there."""
        register = self._random.choice(("fs", "gs"))
        source = self._random.choice(("eax", "esi", "ebp"))
        place = 4 * self._random.randrange(len(WORDS))
        self._add(f"mov edx, {WINDOW | self._random.choice((0, 3))}")
        self._add(f"mov {register}, edx")
        self._add(f"mov dword ptr {register}:[{place}], {source}")
        self._add(f"add {source}, dword ptr {register}:[{place ^ 4}]")
        self._undefined = frozenset()

    def _add_pointer(self) -> None:
        """Load a far pointer; DS, ES and SS mostly as they may be."""
        name = self._random.choice(("lds", "les", "lfs", "lgs", "lss"))
        selector = self._pick_selector()
        if name in {"lds", "les"}:
            selector = self._pick_good()
        self._add("mov ecx, esp")
        if name == "lss":
            selector = 0x7B if self._cpl else 0x68
        if self._random.random() < 0.1:
            selector = 0x88
        self._add(f"mov dword ptr [{WORDS[2]}], {self._pick(32)}")
        self._add(f"mov word ptr [{WORDS[3]}], {selector}")
        register = self._random.choice(("eax", "ebx", "edi"))
        self._add(f"{name} {register}, fword ptr [{WORDS[2]}]")

    def _add_far(self) -> None:
        """Go to another code segment, mostly the same one."""
        label = self._make_label()
        selector = _CS[self._cpl == 3]
        if self._random.random() < 0.15:
            selector = self._random.choice((0x68, 0x63, 0x88, 0x100, 0))
        kind = self._random.choice(("jmp", "m48", "call", "retf", "iretd"))
        if kind == "jmp":
            self._add(f"jmp {selector:#x}:{label}")
        elif kind == "m48":
            self._add(f"push {selector}")
            self._add(f"push offset {label}")
            self._add("jmp fword ptr [esp]")
        elif kind == "call":
            self._add(f"call {selector:#x}:{label}")
        else:
            if kind == "iretd":
                self._add(f"push {self._random.choice((0x2, 0x202, 0x803))}")
            self._add(f"push {selector}")
            self._add(f"push offset {label}")
            self._add(kind)
        self._add("ud2")
        self._add(f"{label}: nop")
        if kind in {"call", "m48"}:
            # No address is compared: the two have code of other lengths.
            self._add("pop eax")
            self._add("pop ecx")
            self._add("mov eax, 0")
        if kind == "iretd":
            self._undefined = frozenset()

    def _add_question(self) -> None:
        """Ask for a descriptor's rights, limit and use; raise an RPL."""
        selector = self._pick_selector()
        name = self._random.choice(("lar", "lsl", "verr", "verw", "arpl"))
        self._add(f"mov ecx, {selector}")
        if name == "arpl":
            self._add(f"mov edx, {self._random.randrange(4)}")
            self._add("arpl cx, dx")
        elif name in {"verr", "verw"}:
            self._add(f"{name} cx")
        else:
            size = self._random.choice(("ebx, ecx", "bx, cx"))
            self._add(f"{name} {size}")
        self._add("setz byte ptr [w6]")
        self._undefined -= {"zf"}

    def _add_selector_push(self) -> None:
        name = self._random.choice(("cs", "ss", "ds", "es", "fs", "gs"))
        self._add(f"push {name}")
        self._add(f"pop {self._random.choice(('eax', 'ebp', 'esi'))}")
        self._add(f"mov ebx, {name}")

    # -------------------------------------------------- tables and registers

    def _add_store(self) -> None:
        """Store what no ring is kept from: tables, selectors, CR0's half."""
        name = self._random.choice(("sgdt", "sidt", "sldt", "str", "smsw"))
        if name in {"sgdt", "sidt"}:
            self._add(f"{name} fword ptr [{WORDS[0]}]")
        elif self._random.random() < 0.5:
            self._add(f"{name} word ptr [{WORDS[1]}]")
        elif name == "smsw":
            self._add("smsw eax")
            self._add("and eax, 0xffff")
            self._undefined = frozenset({"af"})
        else:
            self._add(f"{name} {self._random.choice(('eax', 'ecx'))}")

    def _add_gdt(self) -> None:
        """Move the limit of the GDT in or out."""
        limit = self._random.choice((SHORT_GDT, 0xFF))
        self._add(f"sgdt fword ptr [{WORDS[0]}]")
        self._add(f"mov word ptr [{WORDS[0]}], {limit}")
        self._add(f"lgdt fword ptr [{WORDS[0]}]")

    def _add_tables(self) -> None:
        """Load the IDT's register and back, or the LDT's."""
        if self._random.random() < 0.5:
            selector = self._random.choice((0, 0x88, 0x88, 0x60, 0x80, 0x30))
            self._add(f"mov edx, {selector}")
            self._add("lldt dx")
            self._add("sldt ecx")
            return
        self._add(f"sidt fword ptr [{WORDS[0]}]")
        self._add(f"mov dword ptr [{WORDS[2]}], {self._pick(32)}")
        self._add(f"mov dword ptr [{WORDS[3]}], {self._pick(32)}")
        self._add(f"lidt fword ptr [{WORDS[2]}]")
        self._add(f"sidt fword ptr [{WORDS[4]}]")
        self._add(f"lidt fword ptr [{WORDS[0]}]")

    def _add_tasks(self) -> None:
        """Make the TSS available, mostly, and load it."""
        if self._random.random() < 0.8:
            self._add(f"sgdt fword ptr [{WORDS[0]}]")
            self._add(f"mov ebx, dword ptr [{WORDS[0]} + 2]")
            self._add("mov byte ptr [ebx + 0x85], 0x89")
        self._add(f"mov edx, {self._random.choice((0x80, 0x80, 0x88))}")
        self._add("ltr dx")
        self._add("str ecx")
        self._add("lar eax, ecx")
        self._undefined -= {"zf"}

    def _add_control(self) -> None:
        """Change defined bits of a control register, and read it back."""
        name = self._random.choice(("cr0", "cr2", "cr3", "cr4"))
        register = self._random.choice(("eax", "ecx", "edi"))
        bits = self._random.choice(_CR4_BITS if name == "cr4" else _CR0_BITS)
        if name in {"cr0", "cr4"}:
            self._add(f"mov {register}, {name}")
            change = self._random.choice((f"or {{}}, {bits:#x}", "and {}, {}"))
            self._add(change.format(register, hex(0xFFFF_FFFF ^ bits)))
        else:
            value = self._pick(32)
            value = value & 0xFFFF_F000 if name == "cr3" else value
            self._add(f"mov {register}, {value}")
        self._add(f"mov {name}, {register}")
        self._add(f"mov edx, {name}")
        if name == "cr0":
            # One of the two runs without paging.
            self._add("and edx, 0x7fffffff")
            self._add("and eax, 0x7fffffff")
            self._add("and ecx, 0x7fffffff")
            self._add("and edi, 0x7fffffff")
        self._undefined = frozenset()
        self._add_flags()

    def _add_flags(self) -> None:
        """Define all flags."""
        self._add(f"cmp eax, {self._pick(8)}")

    def _add_status(self) -> None:
        """Change CR0 by the instructions of its own."""
        if self._random.random() < 0.4:
            self._add("clts")
            return
        self._add(f"mov edx, {self._random.randrange(16)}")
        self._add("lmsw dx")
        self._add(f"smsw word ptr [{WORDS[5]}]")

    def _add_debug(self) -> None:
        """Write a debug register that breaks nowhere, and read it back."""
        number = self._random.choice((0, 1, 2, 3, 4, 5, 6, 7))
        value = self._pick(32)
        if number in {4, 6}:
            value &= _DR6_BITS
        elif number in {5, 7}:
            value &= _DR7_BITS
        self._add(f"mov eax, {value}")
        self._add(f"mov dr{number}, eax")
        self._add(f"mov ecx, dr{number}")

    def _add_msr(self) -> None:
        """Write one of SYSENTER's registers, and read it back."""
        number = self._random.choice((0x174, 0x175, 0x176))
        value = self._pick(16 if number == 0x174 else 32)
        self._add(f"mov ecx, {number:#x}")
        self._add(f"mov eax, {value}")
        self._add("mov edx, 0")
        self._add("wrmsr")
        self._add("mov eax, 1")
        self._add("rdmsr")

    def _add_cache(self) -> None:
        self._add(self._random.choice(("invd", "wbinvd", "invlpg [eax]")))

    def _add_coprocessor(self) -> None:
        self._add(self._random.choice(("fnop", "fwait")))

    def _add_bound(self) -> None:
        """Compare an index with bounds that mostly hold it."""
        low = self._random.randrange(-4, 4)
        self._add(f"mov dword ptr [{WORDS[0]}], {low}")
        self._add(f"mov dword ptr [{WORDS[1]}], {low + 9}")
        self._add(f"mov edx, {self._random.randrange(-3, 8)}")
        self._add(f"bound edx, qword ptr [{WORDS[0]}]")
