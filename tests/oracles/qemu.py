"""Runs listings on QEMU: an image around them, and what they leave behind.

An EIP that a handler saves is translated to the simulator's address of the
same statement. The machine has no keyboard, display or network and is ended
by a timeout in any case.
"""

import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.sim.layout import (
    HANDLER_BASE,
    HANDLER_SPACE,
    KERNEL_BASE,
    KERNEL_STACK_TOP,
    USER_BASE,
    USER_STACK_TOP,
)
from app.sim.page_tables import USER_PAGES_BASE
from app.sim.paging import PAGE
from app.sim.start import VECTORS
from tests.oracles.binutils import (
    assemble,
    get_slots,
    link,
    mark,
    require_program,
)

HERE = Path(__file__).parent
TIMEOUT = 20.0
EXIT_REPORTED = 0x10 << 1 | 1
"""What QEMU exits with after the guest's ``report``."""

_INTERRUPT_GATE = 0x8E00
_TRAP_GATE = 0x8F00
_OPEN_GATE = 0x6000
_RIGHTS = {"present": 0x1, "write": 0x2, "user": 0x4}
PAGE_FRAMES = 0x200_0000
"""Where QEMU has the frames of a case's pages."""

_OPEN = frozenset({"bp", "of", "int80"})
_APIC_EOI = 0xFEE0_00B0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Listings with a first state, as both QEMU and the simulator take it.

    ``pending`` has arrived at the start, ``timer`` arrives some time later.
    A listing ends by a jump to ``finish``. ``enters_user`` starts in the
    user's listing, at CPL 3. ``nmi_again`` raises another NMI as soon as the
    first handler has been entered. Of each of ``pages`` it is said whether it
    is ``present``, and open to ``write`` and to the ``user``.
    """

    kernel: str
    user: str | None = None
    handlers: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    pending: str | None = None
    timer: str | None = None
    interrupts: bool = False
    enters_user: bool = False
    nmi_again: bool = False
    pages: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


def observe(directory: Path, case: Case) -> dict[str, int]:
    """Run a case to its finish; return its data words."""
    source = _build_source(case, sampled=False)
    return dict(
        zip(
            case.words,
            _run_image(directory, source, case, len(case.words)),
            strict=True,
        )
    )


def sample(directory: Path, case: Case, count: int) -> set[int]:
    """Return where a periodic timer interrupted a case, so many times."""
    source = _build_source(case, sampled=True)
    source += f".set case_words, {count}\n"
    return set(_run_image(directory, source, case, count))


def _build_source(case: Case, *, sampled: bool) -> str:
    """Write the whole image in assembly language."""
    handlers = dict(case.handlers)
    gates = "".join(
        _build_gate(name, f"enter_{name}") for name in handlers
    ) + (_build_gate(case.timer, "sample") if sampled and case.timer else "")
    flags = 0x202 if case.interrupts else 0x2
    numbers = {
        "case_pending": _get_vector(case.pending),
        "case_nmi": int(case.pending == "nmi"),
        "case_timer": _get_vector(case.timer),
        "case_ticks": 20_000 if sampled else 20_000_000,
        "case_periodic": 0x2_0000 if sampled else 0,
        "case_entry": "user_entry" if case.enters_user else "kernel_entry",
        "case_user": int(case.enters_user),
        "case_flags": flags,
        "kernel_stack": KERNEL_STACK_TOP,
        "user_stack": USER_STACK_TOP,
    }
    if not sampled:
        numbers["case_words"] = len(case.words)
    return "\n".join(
        [
            *(f".set {name}, {value}" for name, value in numbers.items()),
            (HERE / "boot.s").read_text(encoding="ascii"),
            '.section .boot, "awx"',
            f"boot_set_gates:\n{gates}ret",
            '.section .kernel, "awx"',
            f"kernel_entry:\n{mark('kernel', case.kernel)}",
            "finish: jmp report",
            *(
                _build_handler(name, text, case)
                for name, text in handlers.items()
            ),
            '.section .user, "awx"',
            f"user_entry:\n{mark('user', case.user or '')}",
            '.section .pages, "aw"',
            *_build_pages(case),
            '.section .words, "aw"',
            *(f"{word}: .long 0" for word in case.words),
            ".long 0",
            "",
        ]
    )


def _build_pages(case: Case) -> list[str]:
    """Write the table of the pages, each with a frame of its own."""
    lines = ["boot_page_table:"]
    for number, (name, rights) in enumerate(case.pages.items()):
        bits = sum(bit for right, bit in _RIGHTS.items() if rights.get(right))
        entry = PAGE_FRAMES + PAGE * number | bits
        place = USER_PAGES_BASE + PAGE * number
        lines.append(f".set {name}, {place}")
        lines.append(f"{name}_pte: .long {entry if bits & 1 else 0}")
    return lines


def _get_vector(event: str | None) -> int:
    """Return the vector of an interrupt line, 0 for anything else."""
    return VECTORS[event] if event and event.startswith("irq") else 0


def _build_gate(name: str, target: str) -> str:
    """Write the code that makes a gate."""
    access = _TRAP_GATE if name == "int80" else _INTERRUPT_GATE
    access |= _OPEN_GATE if name in _OPEN else 0
    return (
        f"mov ebx, {VECTORS[name]}\nmov eax, offset {target}\n"
        f"mov edi, {access}\ncall boot_set_gate\n"
    )


def _build_handler(name: str, text: str, case: Case) -> str:
    """Write a handler; one of a device first acknowledges the interrupt."""
    entry = f".balign 16\nenter_{name}:\n"
    if name.startswith("irq"):
        entry += f"mov dword ptr [{_APIC_EOI}], 0\n"
    if name == "nmi" and case.nmi_again:
        entry += (
            "cmp dword ptr [nmi_sent], 0\njne nmi_go\n"
            "mov dword ptr [nmi_sent], 1\n"
            f"mov dword ptr [{_APIC_EOI + 0x250}], 0x44400\n"
            "jmp nmi_go\nnmi_sent: .long 0\nnmi_go:\n"
        )
    return entry + mark(name, text)


def _run_image(
    directory: Path, source: str, case: Case, count: int
) -> tuple[int, ...]:
    """Run an image; return the words that came by the debug port."""
    require_program("qemu-system-i386", "qemu-system-x86")
    target = assemble(directory, source)
    image, labels = link(target, ["-T", str(HERE / "image.ld")], {})
    output = directory / "output"
    command = ["qemu-system-i386", "-accel", "tcg", "-m", "64"]
    command += ["-display", "none", "-serial", "null", "-monitor", "none"]
    command += ["-nic", "none", "-no-reboot", "-debugcon", f"file:{output}"]
    command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    command += ["-singlestep", "-kernel", str(image)]
    done = subprocess.run(
        command, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == EXIT_REPORTED, (done.returncode, done.stderr)
    words = struct.unpack(f"<{count}I", output.read_bytes())
    slots = get_slots(labels, _get_bases(case))
    return tuple(slots.get(word, word) for word in words)


def _get_bases(case: Case) -> dict[str, int]:
    """Return where the simulator has each listing of a case."""
    handlers = enumerate(sorted(case.handlers))
    places = {
        name: HANDLER_BASE + number * HANDLER_SPACE
        for number, name in handlers
    }
    return {"kernel": KERNEL_BASE, "user": USER_BASE, **places}
