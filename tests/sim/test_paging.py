"""Paging: walks, rights, accessed and dirty bits, and a TLB that caches."""

from dataclasses import replace

import pytest

from app.sim.errors import GuestFault
from app.sim.layout import (
    DATA_BASE,
    FRAMES_BASE,
    KERNEL_STACK_TOP,
    PAGE_OFFSET,
    USER_BASE,
)
from app.sim.machine import Machine, update
from app.sim.memory import load, load_system, push, store
from app.sim.page_tables import Page, Paging, get_frame, get_symbols
from app.sim.paging import (
    ACCESSED,
    CR0_WP,
    CR4_PGE,
    DIRTY,
    GLOBAL,
    LARGE,
    PRESENT,
    USER,
    WRITABLE,
    find_translation,
    flush_tlb,
    invalidate_page,
    set_control,
    translate,
)
from app.sim.physical import get_word, set_word
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

PAGES = (
    Page("plain", 0xD000_0000, get_frame(0)),
    Page("fixed", 0xD000_1000, get_frame(1), writable=False),
    Page("absent", 0xD000_2000, get_frame(2), present=False),
    Page("shared", 0x4000_0000, get_frame(3), user=True),
    Page("text", 0x4000_1000, get_frame(4), user=True, writable=False),
    Page("fixture", 0xD000_3000, get_frame(5), global_=True),
)
MODES = (False, True)


def boot(
    *, pae: bool, kernel: str = "nop", start: Start | None = None
) -> Machine:
    """Build a machine with paging on, and a handler of page faults."""
    start = replace(start or Start(), paging=Paging(pae, PAGES))
    return build(kernel, start=start, data={"work": 7}, user="nop", pf="nop")


def find(pae: bool, name: str) -> int:
    """Answer the physical address of what a symbol names in the kernel."""
    return get_symbols(Paging(pae, PAGES))[name] - PAGE_OFFSET


def fails(
    machine: Machine, linear: int, *, writes: bool = False, user: bool = False
) -> int | None:
    """Answer the error code of the page fault, with its address checked."""
    with pytest.raises(GuestFault) as caught:
        translate(machine, 0, linear, writes=writes, user=user)
    assert caught.value.vector == 14
    assert caught.value.address == linear
    return caught.value.error_code


@pytest.mark.parametrize("pae", MODES)
def test_everything_that_the_layout_uses_is_mapped(pae: bool) -> None:
    """Data, stacks and code are where they are without paging."""
    machine = push(boot(pae=pae), 0, 0x55)
    assert load(machine, 0, DATA_BASE)[1] == 7
    assert load(machine, 0, KERNEL_STACK_TOP - 4)[1] == 0x55
    machine, address = translate(
        machine, 0, USER_BASE, writes=False, user=True
    )
    assert address == 0x60_0000


@pytest.mark.parametrize("pae", MODES)
def test_a_page_leads_to_its_frame(pae: bool) -> None:
    """What is stored through a page lies in its frame, and is read there."""
    machine = store(boot(pae=pae), 0, 0xD000_0010, 4, 0x1122_3344)
    assert get_word(machine, get_frame(0) + 0x10) == 0x1122_3344
    assert load(machine, 0, FRAMES_BASE + 0x10)[1] == 0x1122_3344


@pytest.mark.parametrize("pae", MODES)
def test_an_access_sets_accessed_and_dirty(pae: bool) -> None:
    """A read sets A, the first write sets D, though the page is known."""
    entry = find(pae, "plain_pte")
    machine, _ = load(boot(pae=pae), 0, 0xD000_0000)
    assert get_word(machine, entry) & 0xFFF == PRESENT | WRITABLE | ACCESSED
    machine = store(machine, 0, 0xD000_0000, 4, 1)
    assert get_word(machine, entry) & DIRTY


@pytest.mark.parametrize("pae", MODES)
@pytest.mark.parametrize(
    ("linear", "writes", "user", "code"),
    [
        (0xD000_2000, False, False, 0),
        (0xD000_2000, True, False, 2),
        (0xD000_2ABC, True, True, 6),
        (0xD000_1000, True, False, 3),
        (0xD000_0000, False, True, 5),
        (0xD000_0000, True, True, 7),
        (0x4000_1000, True, True, 7),
        (0xE000_0000, False, False, 0),
    ],
)
def test_page_faults(
    pae: bool, linear: int, writes: bool, user: bool, code: int
) -> None:
    """The error code says present, write and user: SDM vol. 3A, 4.7."""
    machine = boot(pae=pae)
    assert fails(machine, linear, writes=writes, user=user) == code


@pytest.mark.parametrize("pae", MODES)
def test_a_supervisor_writes_anywhere_without_wp(pae: bool) -> None:
    """CR0.WP keeps the kernel from pages that are not writable."""
    machine = boot(pae=pae)
    machine = update(machine, 0, cr0=get_vcpu(machine).cr0 & ~CR0_WP)
    _, address = translate(machine, 0, 0xD000_1000, writes=True, user=False)
    assert address == get_frame(1)
    assert fails(machine, 0x4000_1000, writes=True, user=True) == 7


@pytest.mark.parametrize("pae", MODES)
def test_a_missing_flush_shows(pae: bool) -> None:
    """The TLB keeps a page whose entry is gone, until it is dropped."""
    machine = store(boot(pae=pae), 0, 0xD000_0000, 4, 5)
    machine = set_word(machine, find(pae, "plain_pte"), 0)
    assert load(machine, 0, 0xD000_0000)[1] == 5
    machine = invalidate_page(machine, 0, 0xD000_0FFF)
    assert fails(machine, 0xD000_0000) == 0


@pytest.mark.parametrize("pae", MODES)
def test_global_pages_survive_a_load_of_cr3(pae: bool) -> None:
    """CR3 drops the rest; a change of CR4.PGE drops all."""
    machine, _ = load(boot(pae=pae), 0, 0xD000_3000)
    machine, _ = load(machine, 0, 0xD000_0000)
    machine = set_control(machine, 0, "cr3", get_vcpu(machine).cr3)
    vcpu = get_vcpu(machine)
    assert find_translation(vcpu, 0xD000_0000) is None
    assert find_translation(vcpu, 0xD000_3000) is not None
    machine = set_control(machine, 0, "cr4", vcpu.cr4 & ~CR4_PGE)
    assert get_vcpu(machine).tlb == ()
    machine, _ = load(machine, 0, 0xD000_3000)
    assert get_vcpu(machine).tlb[-1][3] & GLOBAL == 0


def test_a_flush_of_everything_takes_global_pages() -> None:
    """A flush spares them unless it is asked for all."""
    machine, _ = load(boot(pae=False), 0, 0xD000_3000)
    assert get_vcpu(flush_tlb(machine, 0, everything=False)).tlb
    assert get_vcpu(flush_tlb(machine, 0, everything=True)).tlb == ()


def test_turning_paging_off_drops_the_tlb() -> None:
    """Without CR0.PG a linear address is a physical one."""
    machine, _ = load(boot(pae=False), 0, 0xD000_0000)
    machine = set_control(machine, 0, "cr0", 0x33)
    assert get_vcpu(machine).tlb == ()
    assert translate(machine, 0, 0x1234, writes=True, user=True)[1] == 0x1234


def test_large_pages_need_pse() -> None:
    """Without CR4.PSE bit 7 of a directory entry means nothing."""
    machine = boot(pae=False)
    directory = get_vcpu(machine).cr3
    entry = get_frame(0) | PRESENT | WRITABLE | LARGE
    machine = set_word(machine, directory + 0xE0 * 16, 0x40_0000 | 0xE3)
    _, address = translate(machine, 0, 0xE001_2345, writes=False, user=False)
    assert address == 0x41_2345
    machine = set_word(machine, directory + 0xE0 * 16, entry)
    machine = set_word(machine, get_frame(0), get_frame(1) | PRESENT)
    machine = update(machine, 0, cr4=0)
    _, address = translate(machine, 0, 0xE000_0345, writes=False, user=False)
    assert address == get_frame(1) | 0x345


@pytest.mark.parametrize("pae", MODES)
def test_reserved_bits_fault(pae: bool) -> None:
    """They are told from a missing page by bit 3 of the error code."""
    machine = boot(pae=pae)
    root = get_vcpu(machine).cr3
    if pae:
        machine = set_word(machine, find(pae, "plain_pte") + 4, 0x8000_0000)
        assert fails(machine, 0xD000_0000) == 9
    else:
        machine = set_word(machine, root + 0xE0 * 16, 0x20_0000 | 0x83)
        assert fails(machine, 0xE000_0000, writes=True) == 11


def test_pointers_are_read_with_cr3() -> None:
    """Under PAE a change of a pointer waits for a load of CR3."""
    machine = boot(pae=True)
    pointers = get_vcpu(machine).cr3
    machine = set_word(machine, pointers + 3 * 8, 0)
    assert load(machine, 0, 0xD000_0000)[1] == 0
    machine = set_control(machine, 0, "cr3", pointers)
    assert fails(machine, 0xD000_0000) == 0
    with pytest.raises(GuestFault, match="13"):
        set_control(set_word(machine, pointers, 0x1E7), 0, "cr3", pointers)


def test_an_access_across_two_pages() -> None:
    """It is joined from both, and writes nothing if one of them fails."""
    machine = boot(pae=False)
    machine = set_word(machine, get_frame(0) + 0xFFC, 0xAABB_CCDD)
    machine = set_word(machine, get_frame(1), 0x1122_3344)
    machine, value = load(machine, 0, 0xD000_0FFE)
    assert value == 0x3344_AABB
    with pytest.raises(GuestFault) as caught:
        store(machine, 0, 0xD000_0FFE, 4, 0)
    assert caught.value.address == 0xD000_1000
    assert get_word(machine, get_frame(0) + 0xFFC) == 0xAABB_CCDD


def test_the_processor_reads_tables_as_supervisor() -> None:
    """A descriptor is read at any CPL, whatever user code may."""
    machine = update(boot(pae=False), 0, cpl=3)
    assert load_system(machine, 0, DATA_BASE)[1] == 7
    with pytest.raises(GuestFault):
        load(machine, 0, DATA_BASE)


def test_a_fault_leaves_its_address_in_cr2() -> None:
    """Delivery sets CR2 and pushes the code; the page is forgotten."""
    kernel = "mov eax, [0xd0001000]\nmov [0xd0001004], eax"
    machine = step(boot(pae=False, kernel=kernel), 2)
    vcpu = get_vcpu(machine)
    assert vcpu.cr2 == 0xD000_1004
    assert vcpu.stack[-1] == PRESENT | WRITABLE
    assert find_translation(vcpu, 0xD000_1000) is None


def test_code_is_fetched_through_the_tables() -> None:
    """An instruction on a page that user code may not use faults."""
    machine = boot(pae=False, start=Start(user=True))
    vcpu = get_vcpu(machine)
    table = get_word(machine, vcpu.cr3 + (USER_BASE >> 22) * 4) & ~0xFFF
    place = table + (USER_BASE >> 12 & 0x3FF) * 4
    machine = set_word(machine, place, 0x60_0000 | PRESENT | WRITABLE)
    after = get_vcpu(step(machine))
    assert after.cr2 == vcpu.eip
    assert after.stack[-1] == PRESENT | USER
