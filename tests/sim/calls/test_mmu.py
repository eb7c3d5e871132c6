"""MMU calls: mapping, flushes, pages in use and deferred updates."""

import pytest

from app.sim.errors import GuestFault, Unspecified
from app.sim.layout import MEMORY_END, PAGE_OFFSET
from app.sim.machine import Machine, update
from app.sim.memory import load, store
from app.sim.page_tables import Page, Paging, get_frame, get_symbols
from app.sim.paging import GLOBAL, find_translation
from app.sim.physical import get_word, set_word
from app.sim.shadowing import get_seen
from app.sim.start import Start
from tests.sim.guest import Made, build, get_vcpu, make_call

WINDOW = 0xD000_0000
PAGING = Paging(
    pae=False,
    pages=(
        Page("window", WINDOW, get_frame(0)),
        Page("fixture", 0xD000_1000, get_frame(1), global_=True),
        Page("absent", 0xD000_2000, get_frame(2), present=False),
    ),
)
SYMBOLS = get_symbols(PAGING)
ENTRY = SYMBOLS["window_pte"]
PLACE = ENTRY - PAGE_OFFSET
TABLE = SYMBOLS["window_table"] - PAGE_OFFSET >> 12
DEFER_MMU = 1
DEFER_CPU = 2


def boot(**policies: str) -> Machine:
    """Build a paravirtual machine with paging on."""
    return build(
        platform="software",
        policies=policies,
        data={"work": 0},
        start=Start(paging=PAGING),
    )


def forget(made: Made) -> Machine:
    """Answer the machine after a call, with its TLB empty."""
    return update(made.after, 0, tlb=())


def test_set_linear_mapping() -> None:
    """A slot is replaced, and emptied by a mapping of no pages."""
    machine = boot()
    assert machine.mappings == ((0, PAGE_OFFSET, MEMORY_END >> 12, 0),)
    made = make_call(
        machine,
        "VMI_SetLinearMapping",
        eax=2,
        edx=0xF000_0000,
        ecx=3,
        st0=0x1000,
    )
    assert made.after.mappings[1] == (2, 0xF000_0000, 3, 0x1000)
    made = make_call(
        made.after, "VMI_SetLinearMapping", eax=0, edx=0, ecx=0, st0=0
    )
    assert [each[0] for each in made.after.mappings] == [2]


def test_set_linear_mapping__refused__no_such_slot() -> None:
    """The RFC does not say what a fifth slot does; readings differ."""
    arguments = {"eax": 4, "edx": 0, "ecx": 1, "st0": 0}
    with pytest.raises(Unspecified) as caught:
        make_call(boot(), "VMI_SetLinearMapping", **arguments)
    assert caught.value.policy == "mapping_slot"
    machine = boot(mapping_slot="ignored")
    made = make_call(machine, "VMI_SetLinearMapping", **arguments)
    assert made.after.mappings == machine.mappings
    machine = boot(mapping_slot="fault")
    with pytest.raises(GuestFault):
        make_call(machine, "VMI_SetLinearMapping", **arguments)


@pytest.mark.parametrize(("how", "left"), [(1, True), (3, False)])
def test_flush_tlb(how: int, left: bool) -> None:
    """Global pages stay unless VMI_FLUSH_GLOBAL is set: RFC A."""
    machine, _ = load(boot(), 0, WINDOW)
    machine, _ = load(machine, 0, 0xD000_1000)
    vcpu = get_vcpu(make_call(machine, "VMI_FlushTLB", eax=how).after)
    assert find_translation(vcpu, WINDOW) is None
    kept = find_translation(vcpu, 0xD000_1000)
    assert (kept is not None) == left
    assert all(each[3] & GLOBAL for each in vcpu.tlb)


@pytest.mark.parametrize(
    ("reading", "flushed"), [("nothing", False), ("flushed", True)]
)
def test_flush_tlb__refused__no_type(reading: str, flushed: bool) -> None:
    """VMI_FLUSH_TLB must be there; what else happens is not said."""
    with pytest.raises(Unspecified):
        make_call(boot(), "VMI_FlushTLB", eax=2)
    machine, _ = load(boot(flush_type=reading), 0, WINDOW)
    vcpu = get_vcpu(make_call(machine, "VMI_FlushTLB", eax=0).after)
    assert (find_translation(vcpu, WINDOW) is None) == flushed


def test_inval_page() -> None:
    """It drops the one page, global or not, and makes what waits."""
    machine, _ = load(boot(), 0, WINDOW)
    machine, _ = load(machine, 0, 0xD000_1000)
    vcpu = get_vcpu(make_call(machine, "VMI_InvalPage", eax=0xD000_1234).after)
    assert find_translation(vcpu, 0xD000_1000) is None
    assert find_translation(vcpu, WINDOW) is not None


def test_a_plain_store_is_seen_with_the_next_flush() -> None:
    """Rule 2 of RFC 2.3: the guest reports updates by call."""
    machine = store(boot(), 0, ENTRY, 4, get_frame(1) | 0x63)
    assert get_seen(machine, PLACE) == get_frame(0) | 0x3
    assert load(machine, 0, ENTRY)[1] == get_frame(1) | 0x63
    after = make_call(machine, "VMI_InvalPage", eax=WINDOW).after
    assert get_seen(after, PLACE) == get_frame(1) | 0x63
    machine = store(boot(page_tables="direct"), 0, ENTRY, 4, 0)
    assert get_seen(machine, PLACE) == 0


def test_a_page_fault_makes_the_hypervisor_look() -> None:
    """A store that makes a page present is seen when it is touched."""
    entry = SYMBOLS["absent_pte"]
    machine = store(boot(), 0, entry, 4, get_frame(2) | 0x3)
    assert machine.unseen == ((entry - PAGE_OFFSET, 0),)
    machine = set_word(machine, get_frame(2), 5)
    machine, value = load(machine, 0, 0xD000_2000)
    assert value == 5
    assert machine.unseen == ()


def test_register_page_usage() -> None:
    """Types add up; what the page holds is read then."""
    made = make_call(boot(), "VMI_RegisterPageUsage", eax=0x1000, edx=0x01)
    made = make_call(made.after, "VMI_RegisterPageUsage", eax=0x1000, edx=0x10)
    assert dict(made.after.usage)[0x1000] == 0x11


def test_release_page() -> None:
    """A page that has no type left is like any other again."""
    machine = boot()
    assert dict(machine.usage)[TABLE] == 1
    made = make_call(machine, "VMI_ReleasePage", eax=TABLE, edx=1)
    assert TABLE not in dict(made.after.usage)
    machine = store(made.after, 0, ENTRY, 4, 0)
    assert machine.unseen == ()


def test_release_page__refused__not_registered() -> None:
    """What a type does with which the page was not registered: unsaid."""
    with pytest.raises(Unspecified) as caught:
        make_call(boot(), "VMI_ReleasePage", eax=TABLE, edx=3)
    assert caught.value.policy == "unregistered_release"
    machine = boot(unregistered_release="ignored")
    after = make_call(machine, "VMI_ReleasePage", eax=TABLE, edx=3).after
    assert TABLE not in dict(after.usage)
    after = make_call(machine, "VMI_ReleasePage", eax=0x1FFF, edx=3).after
    assert after.usage == machine.usage
    machine = boot(unregistered_release="fault")
    with pytest.raises(GuestFault):
        make_call(machine, "VMI_ReleasePage", eax=0x1FFF, edx=3)


@pytest.mark.parametrize(
    ("name", "types"),
    [("VMI_ClonePageTable", 1), ("VMI_ClonePageDirectory", 2)],
)
def test_clone_pages(name: str, types: int) -> None:
    """The shadow begins with entries of the template: RFC A."""
    source = (
        TABLE if types == 1 else SYMBOLS["page_directory"] - PAGE_OFFSET >> 12
    )
    first = get_word(boot(), source << 12)
    assert first or types == 2
    machine = boot()
    if types == 2:
        machine = set_word(machine, source << 12, 0x123)
        first = 0x123
    destination = get_frame(8) >> 12
    made = make_call(machine, name, eax=destination, edx=source, ecx=0x0001)
    assert dict(made.after.usage)[destination] == types
    assert get_seen(made.after, get_frame(8)) == first
    assert get_word(made.after, get_frame(8)) == 0
    assert get_seen(made.after, get_frame(8) + 4) == 0
    after = make_call(made.after, "VMI_FlushTLB", eax=1).after
    assert get_seen(after, get_frame(8)) == 0


def test_a_clone_that_was_copied_leaves_nothing_to_see() -> None:
    """The guest copies the entries itself; then all are as believed."""
    machine = set_word(boot(), get_frame(8), get_word(boot(), TABLE << 12))
    made = make_call(
        machine,
        "VMI_ClonePageTable",
        eax=get_frame(8) >> 12,
        edx=TABLE,
        ecx=0x0001,
    )
    assert made.after.unseen == ()


@pytest.mark.parametrize("flags", [0x0400_0001, 0x0001_0400])
def test_clone_page_table__refused__range(flags: int) -> None:
    """Entries that there are not: the RFC does not say."""
    destination = get_frame(8) >> 12
    arguments = {"eax": destination, "edx": TABLE, "ecx": flags}
    with pytest.raises(Unspecified) as caught:
        make_call(boot(), "VMI_ClonePageTable", **arguments)
    assert caught.value.policy == "clone_range"
    for reading in ("clipped", "registered"):
        machine = boot(clone_range=reading)
        after = make_call(machine, "VMI_ClonePageTable", **arguments).after
        assert dict(after.usage)[destination] == 1
        kept = [a for a, _ in after.unseen if a >> 12 != destination]
        assert kept == []


def test_set_deferred_mode() -> None:
    """Added classes flush nothing, removed ones all that waits: RFC A."""
    machine = make_call(boot(), "VMI_SetDeferredMode", eax=DEFER_MMU).after
    made = make_call(machine, "VMI_SetPte", eax=0, edx=ENTRY)
    assert len(get_vcpu(made.after).queue) == 1
    assert get_seen(made.after, PLACE) != 0
    both = make_call(made.after, "VMI_SetDeferredMode", eax=3).after
    assert len(get_vcpu(both).queue) == 1
    after = make_call(both, "VMI_SetDeferredMode", eax=DEFER_MMU).after
    assert get_vcpu(after).queue == ()
    assert get_seen(after, PLACE) == 0
    assert get_vcpu(after).deferral == DEFER_MMU


def test_set_deferred_mode__refused__no_class() -> None:
    """Bits that name no class: the RFC does not say."""
    with pytest.raises(Unspecified):
        make_call(boot(), "VMI_SetDeferredMode", eax=8)
    machine = boot(deferred_classes="ignored")
    after = make_call(machine, "VMI_SetDeferredMode", eax=9).after
    assert get_vcpu(after).deferral == DEFER_MMU
    machine = boot(deferred_classes="fault")
    with pytest.raises(GuestFault):
        make_call(machine, "VMI_SetDeferredMode", eax=9)


@pytest.mark.parametrize(
    ("name", "eax"),
    [
        ("VMI_FlushDeferredCalls", 0),
        ("VMI_FlushTLB", 1),
        ("VMI_InvalPage", 0x1234_5000),
    ],
)
@pytest.mark.parametrize("tables", ["shadow", "direct"])
def test_what_flushes_the_queue(name: str, eax: int, tables: str) -> None:
    """The explicit flush, and each flush or invalidation: RFC A."""
    machine = boot(page_tables=tables)
    machine = make_call(machine, "VMI_SetDeferredMode", eax=DEFER_MMU).after
    machine = make_call(machine, "VMI_SetPte", eax=0, edx=ENTRY).after
    assert get_seen(machine, PLACE) == get_frame(0) | 0x3
    after = make_call(machine, name, eax=eax).after
    assert get_vcpu(after).queue == ()
    assert get_seen(after, PLACE) == get_word(after, PLACE) == 0


def test_what_is_native_is_a_nop() -> None:
    """Where there is no hypervisor, nobody has to be told."""
    kernel = "mov eax, 99\ncall VMI_SetDeferredMode\nmov ebx, eax"
    machine = build(kernel, platform="native")
    host = machine.board.host
    for _ in range(3):
        machine = host.step(machine, 0).machine  # type: ignore[attr-defined]
    assert get_vcpu(machine).ebx == 99
