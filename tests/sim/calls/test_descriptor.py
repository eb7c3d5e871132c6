"""Descriptor calls (RFC Appendix A / Descriptor related calls)."""

import pytest

from app.sim.deferral import DEFER_DT, flush
from app.sim.entry import enter
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.layout import DATA_BASE
from app.sim.machine import NULL_SEGMENT, Machine, Segment, Table, update
from app.sim.memory import load_system
from app.sim.segments import encode, get_dpl
from app.sim.selectors import load_segment, read_descriptor
from app.sim.start import Start
from tests.sim.guest import Made, build, get_vcpu, make_call, step

GDT = 0xC080_0000
IDT = 0xC080_1000
LDT = 0xC080_2000
DTR = DATA_BASE
FLAT_LOW = 0x0000_FFFF
FLAT_HIGH = 0x00CF_F300
SMALL = Segment(0x1000, 0xFFF, 0xF3, 0x4)


def software(**policies: str) -> Machine:
    return build(
        platform="software",
        policies=policies,
        data={"low": 0x1000_00FF, "high": 0xC080},
    )


def write(
    machine: Machine, table: str, entry: int, low: int, high: int
) -> Made:
    """Write an entry of a table by its call."""
    base = {"GDT": GDT, "LDT": LDT, "IDT": IDT}[table]
    return make_call(
        machine,
        f"VMI_Write{table}Entry",
        eax=base,
        edx=entry,
        ecx=low,
        st1=high,
    )


def read(machine: Machine, address: int) -> tuple[int, int]:
    _, low = load_system(machine, 0, address)
    _, high = load_system(machine, 0, address + 4)
    return low, high


@pytest.mark.parametrize(
    ("call", "field"), [("VMI_SetGDT", "gdtr"), ("VMI_SetIDT", "idtr")]
)
def test_set_table(call: str, field: str) -> None:
    """Limit and base are read from the six bytes at EAX."""
    machine = software().replace(data=(0x0000_00FF, 0xC080))
    made = make_call(machine, call, eax=DTR)
    assert getattr(get_vcpu(made.after), field) == Table(GDT, 0xFF)


@pytest.mark.parametrize("call", ["VMI_SetGDT", "VMI_SetIDT"])
def test_set_table__refused__no_memory(call: str) -> None:
    """There is nothing at the pointer."""
    with pytest.raises(NotModelled):
        make_call(software(), call, eax=0x1234)


def test_set_gdt_reloads_the_registers() -> None:
    """Appendix A: no hidden state survives that could not be loaded again."""
    for platform in ("software", "hardware"):
        machine = build(
            platform=platform, data={"low": 0x0000_00FF, "high": 0xC080}
        )
        hidden = list(get_vcpu(machine).segments)
        hidden[0] = SMALL
        machine = update(machine, 0, segments=tuple(hidden))
        after = make_call(machine, "VMI_SetGDT", eax=DTR).after
        base, limit, _, _ = get_vcpu(after).segments[0]
        assert base == 0
        assert limit > 0xF000_0000


def test_set_gdt__refused__live_segment() -> None:
    """RFC 2.4 lets two readings; SS faults in both."""
    data = (0x0000_006F, 0xC080)
    with pytest.raises(Unspecified) as caught:
        make_call(software().replace(data=data), "VMI_SetGDT", eax=DTR)
    assert caught.value.policy == "live_segment_invalid"
    machine = software(live_segment_invalid="null").replace(data=data)
    vcpu = get_vcpu(make_call(machine, "VMI_SetGDT", eax=DTR).after)
    assert (vcpu.ds, vcpu.segments[3]) == (0, NULL_SEGMENT)
    short = machine.replace(data=(0x0000_0067, 0xC080))
    with pytest.raises(GuestFault) as fault:
        make_call(short, "VMI_SetGDT", eax=DTR)
    assert fault.value.error_code == 0x68


def test_set_ldt_and_set_tr() -> None:
    """As LLDT and LTR; a TSS that is busy is refused."""
    vcpu = get_vcpu(make_call(software(), "VMI_SetLDT", eax=0x1_0000).after)
    assert (vcpu.ldtr, vcpu.ldt) == (0, NULL_SEGMENT)
    after = make_call(software(), "VMI_SetLDT", eax=0x88).after
    assert get_vcpu(after).ldt.base == LDT
    with pytest.raises(GuestFault) as caught:
        make_call(software(), "VMI_SetTR", eax=0x80)
    assert caught.value.error_code == 0x80
    low, high = encode(Segment(0xC080_3000, 0x67, 0x89, 0))
    machine = write(software(), "GDT", 6, low, high).after
    made = make_call(machine, "VMI_SetTR", eax=0x30)
    assert get_vcpu(made.after).tr == 0x30
    assert read(made.after, GDT + 0x30)[1] >> 8 & 0xFF == 0x8B


def test_get_calls_answer_what_the_guest_loaded() -> None:
    """Not the hypervisor's own, which the instructions show."""
    made = make_call(software(), "VMI_GetLDT")
    assert made.results == {"selector": 0x88}
    assert make_call(software(), "VMI_GetTR").results == {"selector": 0x80}
    after = make_call(software(), "VMI_GetGDT", eax=DTR).after
    assert after.data == (0x0000_00FF, 0xC080)
    after = make_call(software(), "VMI_GetIDT", eax=DTR).after
    assert after.data == (0x1000_07FF, 0xC080)


def test_write_gdt_entry() -> None:
    """Eight bytes for each entry; the fourth argument is on the stack."""
    made = write(software(), "GDT", 6, FLAT_LOW, FLAT_HIGH)
    assert read(made.after, GDT + 48) == (FLAT_LOW, FLAT_HIGH)
    _, segment = read_descriptor(made.after, 0, 0x33)
    assert (segment.limit, get_dpl(segment)) == (0xFBFF_FFFF, 3)


def test_write_gdt_entry_left_native() -> None:
    """The native code is the two stores: the table ends the same."""
    code = "push 0x00CFF300\ncall VMI_WriteGDTEntry\nnop"
    machine = update(build(code), 0, eax=GDT, edx=6, ecx=FLAT_LOW)
    after = step(machine, 4)
    assert read(after, GDT + 48) == (FLAT_LOW, FLAT_HIGH)


def test_write_gdt_entry_takes_effect_at_once() -> None:
    """A register that holds the selector is reloaded, and no other."""
    machine = write(software(), "GDT", 6, *encode(SMALL)).after
    machine = load_segment(machine, 0, "fs", 0x33)
    wider = encode(SMALL._replace(limit=0x1FFF))
    after = write(machine, "GDT", 6, *wider).after
    assert get_vcpu(after).segments[4].limit == 0x1FFF
    other = write(machine, "GDT", 7, *wider).after
    assert get_vcpu(other).segments[4].limit == 0xFFF


def test_write_gdt_entry__refused__live_segment() -> None:
    """A descriptor that is not present ends a live register."""
    for reading in ("null", "fault"):
        machine = software(live_segment_invalid=reading)
        machine = write(machine, "GDT", 6, *encode(SMALL)).after
        machine = load_segment(machine, 0, "fs", 0x33)
        if reading == "null":
            after = write(machine, "GDT", 6, 0, 0).after
            assert get_vcpu(after).fs == 0
            continue
        with pytest.raises(GuestFault):
            write(machine, "GDT", 6, 0, 0)


def test_the_image_may_be_adjusted() -> None:
    """What is stored need not equal what was given, bit for bit."""
    machine = software(descriptor_image="adjusted")
    after = write(machine, "GDT", 6, FLAT_LOW, 0x00CF_9300).after
    assert read(after, GDT + 48) == (0xBFFF, 0x00CF_B300)
    after = write(machine, "GDT", 6, *encode(Segment(0, 7, 0x82, 0))).after
    assert read(after, GDT + 48) == encode(Segment(0, 7, 0x82, 0))
    after = write(machine, "IDT", 0x30, 0x0060_1234, 0xC011_8E00).after
    assert read(after, IDT + 8 * 0x30) == (0x0061_1234, 0xC011_AE00)
    hardware = build(
        platform="hardware", policies={"descriptor_image": "adjusted"}
    )
    after = write(hardware, "GDT", 6, FLAT_LOW, 0x00CF_9300).after
    assert read(after, GDT + 48) == (FLAT_LOW, 0x00CF_9300)


def test_write_ldt_entry() -> None:
    """Bit 2 of a selector names the LDT."""
    machine = write(software(), "LDT", 1, *encode(SMALL)).after
    machine = load_segment(machine, 0, "gs", 0xF)
    assert get_vcpu(machine).segments[5] == SMALL
    wider = encode(SMALL._replace(limit=0x1FFF))
    after = write(machine, "LDT", 1, *wider).after
    assert get_vcpu(after).segments[5].limit == 0x1FFF
    same = write(machine, "GDT", 1, *wider).after
    assert get_vcpu(same).segments[5] == SMALL


def test_write_idt_entry() -> None:
    """RFC 2.6: the hypervisor delivers through the gate from then on."""
    machine = write(software(), "IDT", 0x30, 0x0060_1230, 0xC011_8E00).after
    vcpu = get_vcpu(enter(machine, 0, 0x30))
    assert (vcpu.eip, vcpu.cs) == (0xC011_1230, 0x61)


@pytest.mark.parametrize("table", ["GDT", "LDT", "IDT"])
def test_write_entry__refused__no_memory(table: str) -> None:
    """An entry far beyond the table lies nowhere."""
    with pytest.raises(NotModelled):
        write(software(), table, 0x1000_0000, 0, 0)


def test_tables_may_wait() -> None:
    """VMI_SetDeferredMode: the class DT covers the descriptor tables."""
    machine = update(software(), 0, deferral=DEFER_DT)
    made = write(machine, "GDT", 6, FLAT_LOW, FLAT_HIGH)
    assert read(made.after, GDT + 48) == (0, 0)
    assert len(get_vcpu(made.after).queue) == 1
    done = flush(made.after, 0)
    assert read(done, GDT + 48) == (FLAT_LOW, FLAT_HIGH)
    assert not get_vcpu(done).queue


def test_a_table_that_waits_is_loaded_in_turn() -> None:
    """Each call of the group that sets something is queued."""
    machine = update(software(), 0, deferral=DEFER_DT)
    machine = machine.replace(data=(0x0000_00FF, 0xC080))
    for call, register in (
        ("VMI_SetGDT", DTR),
        ("VMI_SetIDT", DTR),
        ("VMI_SetLDT", 0),
    ):
        machine = make_call(machine, call, eax=register).after
    waiting = [each.name for each in get_vcpu(machine).queue]
    assert waiting == ["VMI_SetGDT", "VMI_SetIDT", "VMI_SetLDT"]
    vcpu = get_vcpu(flush(machine, 0))
    assert (vcpu.gdtr, vcpu.idtr) == (Table(GDT, 0xFF), Table(GDT, 0xFF))
    assert vcpu.ldtr == 0


@pytest.mark.parametrize(
    ("write", "argument", "read"),
    [
        ("VMI_SetGDT", DTR, "VMI_GetGDT"),
        ("VMI_SetIDT", DTR, "VMI_GetIDT"),
    ],
)
def test_a_table_that_waits_is_there_for_who_reads_its_register(
    write: str, argument: int, read: str
) -> None:
    """A get call makes what waits first, as those of control registers."""
    machine = update(software(), 0, deferral=DEFER_DT)
    data = (0x0000_00FF, 0xC080)
    machine = machine.replace(data=data)
    waiting = make_call(machine, write, eax=argument).after
    assert get_vcpu(waiting).queue
    after = make_call(waiting.replace(data=(0, 0)), read, eax=DTR).after
    assert after.data == data
    assert not get_vcpu(after).queue


def test_a_selector_that_waits_is_there_for_who_reads_it() -> None:
    """So do the calls that answer a selector."""
    machine = update(software(), 0, deferral=DEFER_DT)
    waiting = make_call(machine, "VMI_SetLDT", eax=0).after
    assert get_vcpu(waiting).ldtr == 0x88
    assert make_call(waiting, "VMI_GetLDT").results == {"selector": 0}
    vcpu = get_vcpu(make_call(waiting, "VMI_GetTR").after)
    assert not vcpu.queue


def test_the_start_is_a_kernel() -> None:
    """What the calls above change is there from the start."""
    machine = build(start=Start())
    assert get_vcpu(machine).gdtr == Table(GDT, 0xFF)
