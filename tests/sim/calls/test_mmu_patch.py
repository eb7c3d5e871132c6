"""MMU calls that only the patches have."""

import pytest

from app.sim.errors import GuestFault, Unspecified
from app.sim.page_tables import get_frame
from app.sim.physical import get_word, set_word
from app.sim.shadowing import get_seen
from tests.sim.calls.test_mmu_entries import boot, read
from tests.sim.guest import get_vcpu, make_call


@pytest.mark.parametrize("pae", [False, True])
def test_get_pxe(pae: bool) -> None:
    """The entry is answered as it stands in memory."""
    guest = boot(pae=pae)
    name = "VMI_GetPxELong" if pae else "VMI_GetPxE"
    made = make_call(guest.machine, name, eax=guest.pte)
    assert made.results == {"entry": get_frame(0) | 3}
    with pytest.raises(GuestFault):
        make_call(guest.machine, name, eax=0xE000_0000)


@pytest.mark.parametrize("pae", [False, True])
@pytest.mark.parametrize(
    ("reading", "entry", "left"),
    [("made", get_frame(1) | 3, 0), ("old", get_frame(0) | 3, 1)],
)
def test_get_pxe__refused__waiting(
    pae: bool, reading: str, entry: int, left: int
) -> None:
    """Whether a read shows an update that waits nobody says."""
    name = "VMI_GetPxELong" if pae else "VMI_GetPxE"
    for policy in ({}, {"deferred_read": reading}):
        guest = boot(pae=pae, page_tables="direct", **policy)
        machine = make_call(guest.machine, "VMI_SetDeferredMode", eax=1).after
        arguments = {"eax": get_frame(1) | 3, "edx": guest.pte}
        if pae:
            arguments |= {"edx": 0, "ecx": guest.pte}
        setter = "VMI_SetPteLong" if pae else "VMI_SetPte"
        machine = make_call(machine, setter, **arguments).after
        if not policy:
            with pytest.raises(Unspecified) as caught:
                make_call(machine, name, eax=guest.pte)
            assert caught.value.policy == "deferred_read"
            continue
        made = make_call(machine, name, eax=guest.pte)
        assert made.results == {"entry": entry}
        assert len(get_vcpu(made.after).queue) == left


def test_get_pxe_with_shadow_tables() -> None:
    """There the entry stands in memory while its report waits."""
    guest = boot(pae=False)
    machine = make_call(guest.machine, "VMI_SetDeferredMode", eax=1).after
    machine = make_call(machine, "VMI_SetPte", eax=0, edx=guest.pte).after
    assert make_call(machine, "VMI_GetPxE", eax=guest.pte).results == {
        "entry": 0
    }


@pytest.mark.parametrize("tables", ["shadow", "direct"])
def test_deactivate_pxe_long_atomic(tables: str) -> None:
    """The entry is 0 afterwards and its former value the answer."""
    guest = boot(pae=True, page_tables=tables)
    machine = set_word(guest.machine, guest.place + 4, 9)
    name = "VMI_DeactivatePxELongAtomic"
    made = make_call(machine, name, eax=guest.pte)
    assert made.results == {"former": 9 << 32 | get_frame(0) | 3}
    assert read(made.after, guest) == 0
    assert get_seen(made.after, guest.place) == 0


def test_deactivate_pxe_long_atomic__refused__not_registered() -> None:
    """The answer is the entry, which stays, in one of the readings."""
    guest = boot(pae=True, unregistered_page="refused")
    machine = guest.machine.replace(usage=())
    name = "VMI_DeactivatePxELongAtomic"
    made = make_call(machine, name, eax=guest.pte)
    assert made.results == {"former": get_frame(0) | 3}
    assert read(made.after, guest) == get_frame(0) | 3


@pytest.mark.parametrize("pae", [False, True])
def test_allocate_page(pae: bool) -> None:
    """It registers, and clones entries if there are any to clone."""
    guest = boot(pae=pae)
    source, page = guest.place >> 12, get_frame(8) >> 12
    machine = guest.machine
    made = make_call(
        machine, "VMI_AllocatePage", eax=page, edx=1, ecx=0, st0=0, st1=0
    )
    assert dict(made.after.usage)[page] == 1
    assert made.after.unseen == ()
    first = guest.place % 0x1000 // guest.size
    made = make_call(
        machine,
        "VMI_AllocatePage",
        eax=page,
        edx=1,
        ecx=source,
        st0=first,
        st1=1,
    )
    at = get_frame(8) + first * guest.size
    assert get_seen(made.after, at) == get_frame(0) | 3
    assert get_word(made.after, at) == 0


def test_allocate_page__refused__range() -> None:
    """Entries that there are not, or of a page that nobody registered."""
    guest = boot(pae=False)
    page = get_frame(8) >> 12
    arguments = {"eax": page, "edx": 1, "ecx": page, "st0": 0, "st1": 1}
    with pytest.raises(Unspecified) as caught:
        make_call(guest.machine, "VMI_AllocatePage", **arguments)
    assert caught.value.policy == "clone_range"
    for reading in ("clipped", "registered"):
        guest = boot(pae=False, clone_range=reading)
        made = make_call(guest.machine, "VMI_AllocatePage", **arguments)
        assert dict(made.after.usage)[page] == 1
