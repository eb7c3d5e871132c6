"""MMU calls: the accessors of page-table entries."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.layout import DATA_BASE, PAGE_OFFSET
from app.sim.machine import CpuId, Machine
from app.sim.memory import load, store
from app.sim.page_tables import Page, Paging, get_frame, get_symbols
from app.sim.physical import get_word, set_word
from app.sim.shadowing import get_seen
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

WINDOW = 0xD000_0000
PAGES = (
    Page("window", WINDOW, get_frame(0)),
    Page("second", 0xD000_1000, get_frame(1)),
    Page("fixed", 0xD000_2000, get_frame(2), writable=False),
)


class Guest(NamedTuple):
    """A machine, and where its entries lie."""

    machine: Machine
    pte: int
    place: int
    suffix: str
    size: int


def boot(*, pae: bool, **policies: str) -> Guest:
    """Build a paravirtual machine with paging on."""
    paging = Paging(pae, PAGES)
    machine = build(
        platform="software",
        policies=policies,
        data={"work": 0, "rest": 0},
        start=Start(paging=paging),
    )
    pte = get_symbols(paging)["window_pte"]
    return Guest(
        machine, pte, pte - PAGE_OFFSET, "Long" if pae else "", 8 if pae else 4
    )


def read(machine: Machine, guest: Guest) -> int:
    """Read the entry of the window as it stands in memory."""
    value = get_word(machine, guest.place)
    if guest.size == 8:
        value |= get_word(machine, guest.place + 4) << 32
    return value


def arguments(guest: Guest, entry: int) -> dict[str, int]:
    """Put an entry and its address into registers."""
    if guest.size == 8:
        return {
            "eax": entry & 0xFFFF_FFFF,
            "edx": entry >> 32,
            "ecx": guest.pte,
        }
    return {"eax": entry, "edx": guest.pte}


MODES = pytest.mark.parametrize("pae", [False, True])
TABLES = pytest.mark.parametrize("tables", ["shadow", "direct"])


@MODES
@TABLES
def test_set_pte(pae: bool, tables: str) -> None:
    """The entry is in memory and in use when the call returns."""
    guest = boot(pae=pae, page_tables=tables)
    machine = set_word(guest.machine, get_frame(1), 77)
    entry = get_frame(1) | 0x63
    made = make_call(
        machine, f"VMI_SetPte{guest.suffix}", **arguments(guest, entry)
    )
    assert read(made.after, guest) == entry
    assert made.after.unseen == ()
    assert load(made.after, 0, WINDOW)[1] == 77


@MODES
@TABLES
def test_swap_pte(pae: bool, tables: str) -> None:
    """The former entry comes back with its accessed and dirty bits."""
    guest = boot(pae=pae, page_tables=tables)
    machine = store(guest.machine, 0, WINDOW, 4, 1)
    name = f"VMI_SwapPte{guest.suffix}"
    made = make_call(machine, name, **arguments(guest, 0))
    assert made.results == {"former": get_frame(0) | 0x63}
    assert read(made.after, guest) == 0


@MODES
@TABLES
@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (("Set", 6), (0, 0x43)),
        (("Set", 1), (1, 0x03)),
        (("Clear", 0), (1, 0x02)),
        (("Clear", 6), (0, 0x03)),
    ],
)
def test_test_and_change_bit(
    pae: bool, tables: str, change: tuple[str, int], answer: tuple[int, int]
) -> None:
    """The answer is the bit before; the other bits stay."""
    kind, bit = change
    was, entry = answer
    guest = boot(pae=pae, page_tables=tables)
    name = f"VMI_TestAnd{kind}PteBit{guest.suffix}"
    made = make_call(guest.machine, name, eax=bit, edx=guest.pte)
    assert made.results == {"was_set": was}
    assert read(made.after, guest) == get_frame(0) | entry
    assert made.after.unseen == ()


def test_test_and_set_pte_bit_long_reaches_the_high_word() -> None:
    """An entry of 8 bytes has 64 bits."""
    guest = boot(pae=True)
    name = "VMI_TestAndSetPteBitLong"
    made = make_call(guest.machine, name, eax=33, edx=guest.pte)
    assert read(made.after, guest) == 1 << 33 | get_frame(0) | 3


@MODES
def test_test_and_set_pte_bit__refused__no_such_bit(pae: bool) -> None:
    """A bit beyond the entry: the RFC does not say which is meant."""
    guest = boot(pae=pae)
    name = f"VMI_TestAndSetPteBit{guest.suffix}"
    bit = 8 * guest.size + 6
    with pytest.raises(Unspecified) as caught:
        make_call(guest.machine, name, eax=bit, edx=guest.pte)
    assert caught.value.policy == "entry_bit"
    guest = boot(pae=pae, entry_bit="wraps")
    made = make_call(guest.machine, name, eax=bit, edx=guest.pte)
    assert read(made.after, guest) == get_frame(0) | 0x43
    guest = boot(pae=pae, entry_bit="reaches")
    made = make_call(guest.machine, name, eax=bit, edx=guest.pte)
    assert read(made.after, guest) == get_frame(0) | 0x03
    second = guest._replace(place=guest.place + guest.size)
    assert read(made.after, second) == get_frame(1) | 0x43


def list_writers() -> Iterator[tuple[str, int]]:
    """List the calls that change an entry, with the size of it."""
    for suffix, size in (("", 4), ("Long", 8)):
        for name in ("SetPte", "SwapPte"):
            yield f"VMI_{name}{suffix}", size
        for name in ("TestAndSetPteBit", "TestAndClearPteBit"):
            yield f"VMI_{name}{suffix}", 0


WRITERS = tuple(list_writers())


@pytest.mark.parametrize(("name", "size"), WRITERS)
@pytest.mark.parametrize(
    ("pointer", "policy"),
    [(DATA_BASE, "unregistered_page"), (WINDOW, "uncovered_entry")],
)
def test_writers__refused__unsaid(
    name: str, size: int, pointer: int, policy: str
) -> None:
    """Pages that were not registered, addresses that no slot covers."""
    pointing = {"ecx": pointer} if size == 8 else {"edx": pointer}
    guest = boot(pae=size == 8)
    with pytest.raises(Unspecified) as caught:
        make_call(guest.machine, name, eax=1, **pointing)
    assert caught.value.policy == policy
    machine = boot(pae=size == 8, unregistered_page="refused").machine
    if policy == "unregistered_page":
        made = make_call(machine, name, eax=7, **pointing)
        assert made.after.data == machine.data
    accepting = boot(
        pae=size == 8,
        unregistered_page="accepted",
        uncovered_entry="walked",
    ).machine
    wide = {"edx": 0} if size == 8 else {}
    made = make_call(accepting, name, eax=5, **wide, **pointing)
    value = load(made.after, 0, pointer)[1]
    assert value == (0 if "Clear" in name else 1 << 5 if not size else 5)


@pytest.mark.parametrize(("name", "size"), WRITERS)
def test_writers__refused__fault(name: str, size: int) -> None:
    """A page that the guest cannot write raises #PF: SDM vol. 3A, 4.7."""
    guest = boot(pae=size == 8)
    pointing = {"ecx": 0xD000_2000} if size == 8 else {"edx": 0xD000_2000}
    with pytest.raises(GuestFault) as caught:
        make_call(guest.machine, name, eax=1, **pointing)
    assert (caught.value.vector, caught.value.error_code) == (14, 3)
    pointing = {key: value + 2 for key, value in pointing.items()}
    with pytest.raises(NotModelled, match="aligned"):
        make_call(guest.machine, name, eax=1, **pointing)


def test_an_address_taken_for_a_physical_one() -> None:
    """The published code does that without a slot; nobody is told."""
    guest = boot(pae=False, uncovered_entry="identity")
    machine = guest.machine.replace(mappings=())
    made = make_call(machine, "VMI_SetPte", eax=0, edx=guest.pte)
    assert get_word(made.after, guest.place) == 0
    assert get_seen(made.after, guest.place) == get_frame(0) | 3
    guest = boot(pae=False, uncovered_entry="identity", page_tables="direct")
    machine = guest.machine.replace(mappings=())
    made = make_call(machine, "VMI_SetPte", eax=0, edx=guest.pte)
    assert get_word(made.after, guest.place) == get_frame(0) | 3


@MODES
def test_deferred_with_shadow_tables(pae: bool) -> None:
    """The entry stands in memory, and only the report waits."""
    guest = boot(pae=pae)
    machine = make_call(guest.machine, "VMI_SetDeferredMode", eax=1).after
    name = f"VMI_SetPte{guest.suffix}"
    made = make_call(machine, name, **arguments(guest, 0))
    assert read(made.after, guest) == 0
    assert get_seen(made.after, guest.place) == get_frame(0) | 3
    assert len(get_vcpu(made.after).queue) == 1


@MODES
def test_deferred_with_the_guests_tables(pae: bool) -> None:
    """The change itself waits, but not one whose former entry is asked."""
    guest = boot(pae=pae, page_tables="direct")
    machine = make_call(guest.machine, "VMI_SetDeferredMode", eax=1).after
    entry = get_frame(1) | 0x3
    name = f"VMI_SetPte{guest.suffix}"
    machine = make_call(machine, name, **arguments(guest, entry)).after
    assert read(machine, guest) == get_frame(0) | 3
    name = f"VMI_SwapPte{guest.suffix}"
    made = make_call(machine, name, **arguments(guest, 0))
    assert made.results == {"former": entry}
    assert read(made.after, guest) == 0
    assert get_vcpu(made.after).queue == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (0x1067, 0x2067, False),
        (0x1067, 0x1066, True),
        (0x1067, 0x1065, True),
        (0x1067, 0x1063, True),
        (0x1067, 0x1027, True),
        (0x1067, 0x10E7, True),
        (0x1067, 0x1047, False),
        (0x1067, 0x1167, False),
        (0x1066, 0x2040, False),
        (0x0, 0x1067, True),
    ],
)
def test_the_published_filter(old: int, new: int, told: bool) -> None:
    """P, R/W, U/S, D and bit 7 count, if the entry is or becomes present."""
    for policy in ("published", "none"):
        guest = boot(pae=False, pte_filter=policy)
        machine = set_word(guest.machine, guest.place, old)
        machine = make_call(machine, "VMI_SetDeferredMode", eax=1).after
        made = make_call(machine, "VMI_SwapPte", eax=new, edx=guest.pte)
        queued = bool(get_vcpu(made.after).queue)
        assert queued == (told or policy == "none")
        assert made.after.unseen == ((guest.place, old),)


def test_an_entry_that_stays_is_not_reported() -> None:
    """Nothing changed, so nothing waits, under any filter."""
    guest = boot(pae=False, pte_filter="none")
    machine = make_call(guest.machine, "VMI_SetDeferredMode", eax=1).after
    entry = read(machine, guest)
    made = make_call(machine, "VMI_SetPte", eax=entry, edx=guest.pte)
    assert get_vcpu(made.after).queue == ()


def test_another_processor_does_not_see_what_waits() -> None:
    """RFC 2.10: a flush there makes the updates of its own queue alone."""
    guest = boot(pae=False)
    vcpus = guest.machine.vcpus * 2
    machine = guest.machine.replace(vcpus=vcpus)
    machine = make_call(machine, "VMI_SetDeferredMode", eax=1).after
    machine = make_call(machine, "VMI_SetPte", eax=0, edx=guest.pte).after

    def drop(machine: Machine, cpu: CpuId) -> Machine:
        """Let a processor drop the page."""
        swapped = (
            machine.replace(vcpus=machine.vcpus[::-1]) if cpu else machine
        )
        after = make_call(swapped, "VMI_InvalPage", eax=WINDOW).after
        return after.replace(vcpus=after.vcpus[::-1]) if cpu else after

    there = drop(machine, 1)
    assert load(there, 1, WINDOW)[1] == 0
    both = drop(drop(machine, 0), 1)
    with pytest.raises(GuestFault):
        load(both, 1, WINDOW)


@given(
    entries=st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from([0, 0x3, 0x63, 0x67])),
        max_size=12,
    ),
    length=st.sampled_from(["1", "2", "4", "16"]),
    tables=st.sampled_from(["shadow", "direct"]),
)
@settings(deadline=None, max_examples=60)
def test_a_queue_loses_nothing(
    entries: list[tuple[int, int]], length: str, tables: str
) -> None:
    """After a flush all is as if nothing had waited, whatever fits."""
    direct = boot(pae=False)
    waiting = boot(pae=False, queue_length=length, page_tables=tables)
    machine = make_call(waiting.machine, "VMI_SetDeferredMode", eax=1).after
    plain = direct.machine
    for number, bits in entries:
        given_ = {
            "eax": get_frame(number) | bits,
            "edx": direct.pte + 4 * number,
        }
        machine = make_call(machine, "VMI_SetPte", **given_).after
        plain = make_call(plain, "VMI_SetPte", **given_).after
        assert len(get_vcpu(machine).queue) <= int(length)
    machine = make_call(machine, "VMI_FlushTLB", eax=1).after
    assert machine.memory == plain.memory
    assert machine.unseen == ()
    assert get_vcpu(machine).queue == ()


NATIVE = """
        mov     eax, {low}
        mov     edx, {high}
        mov     ecx, {pte}
        call    {name}
"""


@pytest.mark.parametrize(("name", "size"), WRITERS)
def test_native_code_does_the_same(name: str, size: int) -> None:
    """The instructions left in place change and answer as the call does."""
    pae = name.endswith("Long")
    guest = boot(pae=pae)
    pointer = {} if size == 8 else {"high": guest.pte}
    words = {"low": 5, "high": 0, "pte": guest.pte} | pointer
    kernel = NATIVE.format(name=name, **words)
    start = Start(paging=Paging(pae, PAGES))
    machine = build(kernel, platform="native", start=start)
    after = machine
    while get_vcpu(after).eip != get_vcpu(machine).eip + 4 * 16:
        after = step(after)
    made = make_call(
        guest.machine,
        name,
        eax=words["low"],
        edx=words["high"],
        ecx=words["pte"],
    )
    assert read(after, guest) == read(made.after, guest)
    for part, register in (("former", "eax"), ("was_set", "eax")):
        if part in made.results:
            answer = made.results[part] & 0xFFFF_FFFF
            assert getattr(get_vcpu(after), register) == answer
    kept = ("ebx", "esi", "edi", "ebp", "esp")
    for register in kept:
        value = getattr(get_vcpu(machine), register)
        assert getattr(get_vcpu(after), register) == value
