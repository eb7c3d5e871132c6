"""Page tables beside Unicorn: who may use a page, where it lies, A and D.

The tables are those that a question begins with, with entries of some pages
drawn at random. Where an access faults, what the walk left in the entries on
its way is not compared: the SDM (vol. 3A, 4.8) does not fix it.
"""

import random
import struct

import pytest

from app.sim.errors import GuestFault
from app.sim.layout import MEMORY_END, USER_BASE, USER_CODE_FRAMES
from app.sim.machine import Machine, update
from app.sim.memory import load, store
from app.sim.page_tables import Page, Paging, get_frame, get_symbols
from app.sim.paging import CR0_WP, LARGE
from app.sim.physical import get_word, set_word
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu

unicorn = pytest.importorskip("unicorn", reason="python package unicorn")
x86 = pytest.importorskip("unicorn.x86_const")

SEEDS = range(8)
TABLES_PER_SEED = 40
BASE = 0x4000_0000
COUNT = 4
PAGES = tuple(
    Page(f"p{number}", BASE + 0x1000 * number, get_frame(number), user=True)
    for number in range(COUNT)
)
PAGE_FAULT = 14
GDT = 0x9_0000
KERNEL = 0xC000_0000
STACK = 0xC009_1000
STUB = USER_BASE + 0x100
LOAD = bytes.fromhex("8b03")
STORE = bytes.fromhex("8903")
IRET = bytes.fromhex("cf")
KERNEL_CODE, KERNEL_DATA = 0x08, 0x10
USER_CODE, USER_DATA = 0x1B, 0x23
_DESCRIPTORS = (0, 0x9B, 0x93, 0xFB, 0xF3)
_ENTRY_BITS = (0x1, 0x1, 0x2, 0x4, 0x20, 0x40, 0x100)


def draw(pae: bool, seed: random.Random) -> tuple[Machine, list[int]]:
    """Draw a machine; answer it with the addresses of what was drawn."""
    paging = Paging(pae, PAGES)
    machine = build("nop", start=Start(paging=paging))
    symbols = get_symbols(paging)
    size = 8 if pae else 4
    first = symbols["p0_pte"] - KERNEL
    root = symbols["page_directory"] - KERNEL
    directory = (
        root + 0x1000 + (BASE >> 21) * 8 if pae else root + (BASE >> 22) * 4
    )
    places = [directory, *(first + size * number for number in range(COUNT))]
    for number, place in enumerate(places):
        bits = sum({bit for bit in _ENTRY_BITS if seed.random() < 0.7})
        frame = get_word(machine, place) & ~0xFFF
        if not number and seed.random() < 0.3:
            bits |= LARGE
            frame = get_frame(0)
            if seed.random() < 0.2:
                frame |= 0x20_0000 if not pae else 0x2000
        machine = set_word(machine, place, frame | bits)
        if pae and seed.random() < 0.1:
            machine = set_word(machine, place + 4, 0x8000_0000)
    for number in range(COUNT):
        machine = set_word(machine, get_frame(number), 0x1000 + number)
    if seed.random() < 0.3:
        cr0 = get_vcpu(machine).cr0 & ~CR0_WP
        machine = update(machine, 0, cr0=cr0)
    return machine, places


def run_model(
    machine: Machine, linear: int, *, writes: bool, user: bool
) -> tuple[Machine, int | None]:
    """Answer the machine after an access, and what was read; None: #PF."""
    machine = update(machine, 0, cpl=3 if user else 0)
    try:
        if writes:
            return store(machine, 0, linear, 4, 0x77), 0x77
        return load(machine, 0, linear)
    except GuestFault as fault:
        return machine, None if fault.address == linear else -1


class Core:
    """A Unicorn core with the memory of a machine."""

    def __init__(self, machine: Machine) -> None:
        uc = self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        uc.mem_map(0, MEMORY_END)
        for address, value in {
            **machine.board.image,
            **dict(machine.memory),
        }.items():
            uc.mem_write(address, struct.pack("<I", value))
        table = b"".join(
            struct.pack("<HHBBBB", 0xFFFF, 0, 0, access, 0xCF, 0)
            for access in _DESCRIPTORS
        )
        uc.mem_write(GDT, table)
        uc.mem_write(USER_CODE_FRAMES + 0x100, IRET)
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, KERNEL + GDT, len(table) - 1, 0))
        uc.hook_add(unicorn.UC_HOOK_INTR, self._take)
        vcpu = get_vcpu(machine)
        uc.reg_write(x86.UC_X86_REG_CR3, vcpu.cr3)
        uc.reg_write(x86.UC_X86_REG_CR4, vcpu.cr4)
        uc.reg_write(x86.UC_X86_REG_CR0, vcpu.cr0)
        uc.reg_write(x86.UC_X86_REG_CS, KERNEL_CODE)
        uc.reg_write(x86.UC_X86_REG_SS, KERNEL_DATA)
        self.vector: object = None

    def _take(self, *hooked: object) -> None:
        _, self.vector, _ = hooked
        self.uc.emu_stop()

    def run(self, linear: int, *, writes: bool, user: bool) -> int | None:
        """Make an access and answer what was read or written; None: #PF."""
        uc = self.uc
        uc.mem_write(USER_CODE_FRAMES, STORE if writes else LOAD)
        uc.reg_write(x86.UC_X86_REG_EAX, 0x77)
        uc.reg_write(x86.UC_X86_REG_EBX, linear)
        uc.reg_write(x86.UC_X86_REG_ESP, STACK)
        if user:
            frame = (USER_BASE, USER_CODE, 2, STACK, USER_DATA)
            uc.mem_write(STACK - KERNEL, struct.pack("<5I", *frame))
        uc.emu_start(STUB if user else USER_BASE, USER_BASE + len(LOAD))
        if self.vector is None:
            return int(uc.reg_read(x86.UC_X86_REG_EAX))
        assert self.vector == PAGE_FAULT
        assert uc.reg_read(x86.UC_X86_REG_CR2) == linear
        return None

    def read(self, address: int) -> int:
        """Read a word of physical memory."""
        return int(struct.unpack("<I", self.uc.mem_read(address, 4))[0])


@pytest.mark.parametrize("pae", [False, True], ids=["32", "pae"])
@pytest.mark.parametrize("number", SEEDS)
def test_accesses_end_as_under_unicorn(pae: bool, number: int) -> None:
    """Data, faults, CR2, and the accessed and dirty bits are the same."""
    seed = random.Random(number)  # noqa: S311 - no secret
    faults = 0
    for _ in range(TABLES_PER_SEED):
        machine, places = draw(pae, seed)
        linear = BASE + 0x1000 * seed.randrange(COUNT)
        how = {"writes": seed.random() < 0.5, "user": seed.random() < 0.5}
        after, value = run_model(machine, linear, **how)
        core = Core(machine)
        entries = [hex(get_word(machine, place)) for place in places]
        where = (number, hex(linear), how, entries)
        assert core.run(linear, **how) == value, where
        faults += value is None
        if value is not None:
            left = [get_word(after, place) for place in places]
            assert [core.read(place) for place in places] == left, where
            frames = [get_frame(each) for each in range(COUNT)]
            assert [core.read(frame) for frame in frames] == [
                get_word(after, frame) for frame in frames
            ], where
    assert 0 < faults < TABLES_PER_SEED
