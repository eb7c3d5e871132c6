"""Laws that hold for every call and every instruction there is.

The machine is set at random within what the processor can be in; what a call
or an instruction then does is checked against what it declares.
"""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sim import CALLS, INSTRUCTIONS, PLATFORMS
from app.sim.deferral import DEFER_CPU, DEFER_DT, DEFER_MMU
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.forms import FORMS, SHORT
from app.sim.gaps import GAPS
from app.sim.layout import KERNEL_STACK_TOP
from app.sim.machine import (
    ARITHMETIC,
    FIXED,
    IF,
    IOPL_SHIFT,
    WORD,
    Deferred,
    Machine,
    VCpu,
)
from app.sim.observables import observe
from app.sim.registry import CLOBBERED, CallSpec, InstructionSpec, perform_call
from app.sim.rom import NUMBERS
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu

CORPUS = Path(__file__).resolve().parents[2] / "app/corpus/vmi/calls.yaml"
RECORDS: dict[str, Any] = {
    record["name"]: record
    for record in yaml.safe_load(CORPUS.read_text(encoding="utf-8"))["calls"]
}
PHASES = ("# CHECKS", "# OPERATION", "# RESULT")
ENDS = (Unspecified, NotModelled)
GENERAL = ("eax", "ecx", "edx", "ebx", "esi", "edi", "ebp", "esp")
NOT_RETURNING = ("VMI_IRET", "VMI_SYSEXIT", "VMI_Reboot")
BOARDS = {
    platform: build(
        "nop",
        platform=platform,
        policies={"translation": "rom"},
        data={"work": 0},
        start=Start(pmcs=(1, 2), cpuid=((0, (1, 2, 3, 4)),)),
        user="nop",
        gp="nop",
        irq0="nop",
        nmi="nop",
    )
    for platform in PLATFORMS
}

words = st.one_of(
    st.integers(0, 0xFFFF_FFFF),
    st.sampled_from([0, 1, 2, 3, 0x10, 0x100, 0x174, 0x200, 0x1234]),
)


@st.composite
def vcpus(draw: st.DrawFn, base: VCpu, *, kernel: bool = False) -> VCpu:
    """Draw a processor that stands in a listing, with a stack."""
    registers = {name: draw(words) for name in GENERAL[:7]}
    depth = draw(st.integers(0, 10))
    user = not kernel and draw(st.booleans())
    flags = draw(st.integers(0, 3)) << IOPL_SHIFT
    flags |= draw(st.integers(0, 0xFFF)) & (ARITHMETIC | IF) | FIXED
    return base.replace(
        **registers,
        esp=KERNEL_STACK_TOP - WORD * depth,
        stack=tuple(draw(words) for _ in range(depth)),
        cpl=3 if user else base.cpl,
        flags=flags if base.virtual_if == 0 and not base.cpl else base.flags,
        virtual_if=draw(st.integers(0, 1)) if base.cpl else 0,
        tsc=draw(words),
        cr4=draw(st.integers(0, 0x7FF)),
        nmi_blocked=draw(st.integers(0, 1)),
    )


@st.composite
def machines(
    draw: st.DrawFn, *, kernel: bool = False, quiet: bool = False
) -> Machine:
    """Draw a machine on a platform that has a hypervisor, or on none."""
    names = ["software", "hardware"] if kernel else list(BOARDS)
    board = BOARDS[draw(st.sampled_from(names))]
    vcpu = draw(vcpus(get_vcpu(board), kernel=kernel))
    return board.replace(
        vcpus=(vcpu,),
        irqs=0 if quiet else draw(st.integers(0, 3)),
        real=draw(words),
        wallclock_updated=draw(st.integers(0, 1)),
    )


def _call(machine: Machine, spec: CallSpec) -> Machine | Exception:
    """Make a call and answer how it ended."""
    try:
        return perform_call(machine, 0, spec)
    except (GuestFault, *ENDS) as end:
        return end


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
@settings(max_examples=60, deadline=None)
@given(machine=machines(kernel=True))
def test_a_call_ends_in_a_declared_way(
    spec: CallSpec, machine: Machine
) -> None:
    """Any arguments give a machine, or what the docstring says is raised."""
    end = _call(machine, spec)
    if isinstance(end, Exception) and not _lacks_stack(machine, spec):
        declared = spec.docstring.partition("Raises\n")[2]
        assert type(end).__name__ in declared, end


READ = [
    build(
        platform="software",
        policies={
            name: list(gap.readings)[place] for name, gap in GAPS.items()
        },
        data={"limit": 0x6F_0000, "base": 0xC080},
    )
    for place in (0, -1)
]
"""Machines on which all that the RFC does not say is read."""

waiting = st.sampled_from(
    [
        Deferred(DEFER_CPU, "VMI_SetCR0", (0x8005_003B,)),
        Deferred(DEFER_CPU, "VMI_SetCR4", (0x20,)),
        Deferred(DEFER_MMU, "VMI_SetCR3", (0xA0_0000,)),
        Deferred(DEFER_MMU, "VMI_SetPte", (0xA0_0000, 0x67)),
        Deferred(DEFER_DT, "VMI_SetGDT", (0xC080_0000, 0xFF)),
        Deferred(DEFER_DT, "VMI_SetGDT", (0xC080_0000, 0x6F)),
        Deferred(DEFER_DT, "VMI_SetLDT", (0x60,)),
        Deferred(DEFER_DT, "VMI_SetTR", (0x80,)),
        Deferred(DEFER_DT, "VMI_WriteGDTEntry", (0xC080_0000, 15, 0, 0)),
    ]
)


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
@settings(max_examples=60, deadline=None)
@given(
    machine=st.sampled_from(READ),
    vcpu=vcpus(get_vcpu(READ[0]), kernel=True),
    queue=st.lists(waiting, max_size=3),
    deferral=st.integers(0, 7),
)
def test_a_call_ends_in_a_declared_way_whatever_waits(
    spec: CallSpec,
    machine: Machine,
    vcpu: VCpu,
    queue: list[Deferred],
    deferral: int,
) -> None:
    """So it does where every clause is read, and the queue is not empty."""
    vcpu = vcpu.replace(queue=tuple(queue), deferral=deferral)
    machine = machine.replace(vcpus=(vcpu,))
    end = _call(machine, spec)
    if isinstance(end, Exception) and not _lacks_stack(machine, spec):
        declared = spec.docstring.partition("Raises\n")[2]
        assert type(end).__name__ in declared, end


def _lacks_stack(machine: Machine, spec: CallSpec) -> bool:
    """Whether the stack is too short for the arguments on it."""
    needed = sum(
        parameter.register.count("ST(")
        for parameter in spec.parameters
        if parameter.register in {"ST(0)", "ST(1)", "ST(2)", "ST(1):ST(0)"}
    )
    return len(get_vcpu(machine).stack) < needed


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
@settings(max_examples=40, deadline=None)
@given(machine=machines(kernel=True))
def test_a_call_leaves_its_machine_as_it_was(
    spec: CallSpec, machine: Machine
) -> None:
    """A refused call changes nothing; nor does one that is not refused."""
    before = (observe(machine), tuple(machine), hash(machine))
    _call(machine, spec)
    assert (observe(machine), tuple(machine), hash(machine)) == before


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
@settings(max_examples=40, deadline=None)
@given(machine=machines(kernel=True))
def test_the_same_call_ends_the_same(spec: CallSpec, machine: Machine) -> None:
    """There is no hidden input."""
    first, second = _call(machine, spec), _call(machine, spec)
    if isinstance(first, Exception):
        assert isinstance(second, Exception)
        assert str(first) == str(second)
    else:
        assert first == second


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
@settings(max_examples=60, deadline=None)
@given(machine=machines(kernel=True, quiet=True))
def test_a_call_clobbers_what_it_declares(
    spec: CallSpec, machine: Machine
) -> None:
    """Registers not declared are kept; declared ones are really spoilt."""
    after = _call(machine, spec)
    if isinstance(after, Exception) or spec.name in NOT_RETURNING:
        return
    old, new = get_vcpu(machine), get_vcpu(after)
    declared = {name.lower() for name in spec.clobbers}
    results = {
        part.lower()
        for result in spec.results
        for part in result.register.split(":")
    }
    for name in GENERAL:
        if name in declared - results:
            assert getattr(new, name) == CLOBBERED
        elif name not in results:
            assert getattr(new, name) == getattr(old, name)
    spoilt = (old.flags ^ new.flags) & ARITHMETIC
    assert spoilt == (ARITHMETIC if "flags" in declared else 0)


def test_numbers_are_unique() -> None:
    """No two calls have one number, and each has that of the ROM."""
    numbered = {n: s.number for n, s in CALLS.items() if s.number}
    assert len(set(numbered.values())) == len(numbered)
    assert numbered == {name: NUMBERS[name] for name in numbered}


def test_every_call_of_the_interface_executes() -> None:
    """Only what a later revision added has a record alone."""
    recorded = {
        name
        for name, record in RECORDS.items()
        if record["status"] != "later_revision"
    }
    assert set(CALLS) == recorded


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
def test_a_call_and_its_record_agree(spec: CallSpec) -> None:
    """Name, number, group, registers, clobbers and section are the same."""
    record = RECORDS[spec.name]
    assert spec.number == record["abi_number"]["rfc_patch_13_0"]
    assert spec.group == record["group"]
    if spec.name not in WITHOUT_PROTOTYPE:
        stated = {_name_stack(name) for name in record["inputs"]}
        assert _split(p.register for p in spec.parameters) == stated
        answered = _split(n for n in record["outputs"] if n[0] != "[")
        assert _split(r.register for r in spec.results) == answered
    section = (record["spec_section"] or "patches only").partition(";")[0]
    assert spec.docstring.splitlines()[-1] == f"RFC {section}"
    if record["clobbers"] is not None:
        assert set(spec.clobbers) == _read_clobbers(record["clobbers"])


WITHOUT_PROTOTYPE = frozenset({"VMI_GetPxELong"})
"""Calls of which only the number is known."""


def _name_stack(name: str) -> str:
    """Name a stack word by the convention of most calls: ST(0) is first."""
    if not name.startswith("stack "):
        return name
    return f"ST({int(name.removeprefix('stack ')) - 1})"


def _split(registers: Any) -> set[str]:
    """Split pairs of registers."""
    return {part for each in registers for part in each.split(":")}


def _read_clobbers(text: str) -> set[str]:
    """Read what the record says; the standard ones if it says nothing."""
    clobbers = {
        "standard": {"EAX", "ECX", "EDX", "flags"},
        "not": {"EAX", "ECX", "EDX", "flags"},
        "flags": {"flags"},
        "memory": set(),
        "none": set(),
        "ESI,": {"ESI", "ECX"},
    }[text.split(maxsplit=1)[0]]
    if "as printed" in text:
        # REP INS changes EDI and leaves ESI: the record notes the misprint.
        clobbers = clobbers - {"ESI"} | {"EDI"}
    return clobbers | ({"memory"} if "memory" in text else set())


SPELLED = {
    "inb %dx,%eax": ("in al, dx",),
    "inw %dx,%eax": ("in ax, dx",),
    "inl %dx,%eax": ("in eax, dx",),
    "outb %eax,%dx": ("out dx, al",),
    "outw %eax,%dx": ("out dx, ax",),
    "outl %eax,%dx": ("out dx, eax",),
    "rep insb": ("rep ins byte ptr es:[edi], dx",),
    "rep insw": ("rep ins word ptr es:[edi], dx",),
    "rep insl": ("rep ins dword ptr es:[edi], dx",),
    "rep outsb": ("rep outs dx, byte ptr [esi]",),
    "rep outsw": ("rep outs dx, word ptr [esi]",),
    "rep outsl": ("rep outs dx, dword ptr [esi]",),
    "outb %al,$0x80 (typical)": ("out 0x80, al",),
    "popf / iret with IOPL bits": (
        "pushf",
        "and dword ptr [esp], 0xFFFFCFFF",
        "or dword ptr [esp], eax",
        "popf",
    ),
    **{
        f"mov %{source},%{target}": (f"mov {target}, {source}",)
        for cr in ("cr0", "cr2", "cr3", "cr4")
        for source, target in (("eax", cr), (cr, "eax"))
    },
    **{
        f"{name} (%eax)": (f"{name} fword ptr [eax]",)
        for name in ("lgdt", "lidt", "sgdt", "sidt")
    },
    "mov %ecx,(%eax,%edx,8); mov <4th>,4(%eax,%edx,8)": (
        "mov dword ptr [eax + edx*8], ecx",
        "mov ecx, dword ptr [esp]",
        "mov dword ptr [eax + edx*8 + 4], ecx",
    ),
    "mov %edx,TSS.esp0": ("mov dword ptr [eax + 4], edx",),
    # The number is in a register: no one instruction of a listing does it.
    "mov %edx,%dr<num>": (),
    "mov %dr<num>,%eax": (),
    "mov %edx,(%eax) (memory-mapped)": ("mov dword ptr [eax], edx",),
    "mov (%eax),%eax (memory-mapped)": ("mov eax, dword ptr [eax]",),
    "mov %cr3,%eax; mov %eax,%cr3 (or CR4.PGE toggle)": (
        "mov eax, cr4",
        "mov ecx, eax",
        "and ecx, 0xffffff7f",
        "mov cr4, ecx",
        "mov cr4, eax",
        "mov eax, cr3",
        "mov cr3, eax",
    ),
    "invlpg (%eax)": ("invlpg byte ptr [eax]",),
    "mov %eax,(%edx)": ("mov dword ptr [edx], eax",),
    "xchg %eax,(%edx)": ("xchg dword ptr [edx], eax",),
    **{
        f"lock {name}": (
            f"lock {name} dword ptr [edx], eax",
            "setb al",
            "movzx eax, al",
        )
        for name in ("bts", "btr")
    },
    "mov %edx,4(%ecx); mov %eax,(%ecx) (high word first)": (
        "mov dword ptr [ecx + 4], edx",
        "mov dword ptr [ecx], eax",
    ),
    # A listing that stands at a call has no labels, so it cannot loop.
    "lock cmpxchg8b loop": (
        "push ebx",
        "push eax",
        "xor eax, eax",
        "xchg dword ptr [ecx], eax",
        "mov ebx, dword ptr [ecx + 4]",
        "mov dword ptr [ecx + 4], edx",
        "mov edx, ebx",
        "pop ebx",
        "mov dword ptr [ecx], ebx",
        "pop ebx",
    ),
    "mov (%eax),%eax": ("mov eax, dword ptr [eax]",),
    "two 32-bit loads": (
        "mov edx, dword ptr [eax + 4]",
        "mov eax, dword ptr [eax]",
    ),
    "xchg low word with 0; read high word; store 0 in high word": (
        "mov ecx, eax",
        "xor eax, eax",
        "xchg dword ptr [ecx], eax",
        "mov edx, dword ptr [ecx + 4]",
        "mov dword ptr [ecx + 4], 0",
    ),
}
"""Native equivalents whose record is not in the words of a listing."""


@pytest.mark.parametrize("spec", CALLS.values(), ids=CALLS)
def test_a_call_and_its_native_equivalent_agree(spec: CallSpec) -> None:
    """A call has native instructions where its record has them."""
    native = RECORDS[spec.name]["native_equivalent"] or ""
    native = re.sub(r"none\b.*", "", native)
    if native in SPELLED:
        assert spec.native == SPELLED[native]
        return
    if not native and spec.group == "MMU":
        assert spec.native == ("nop",)
        return
    said = re.sub(r"\(.*?\)|%", "", native)
    assert [part.strip() for part in said.split(";") if part.strip()] == [
        *spec.native
    ]


FUNCTIONS: dict[str, CallSpec | InstructionSpec] = dict(CALLS)
FUNCTIONS |= INSTRUCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_phases_stand_in_order(name: str) -> None:
    """CHECKS, OPERATION and RESULT: at least one, never another order."""
    source = FUNCTIONS[name].source
    places = [source.find(phase) for phase in PHASES]
    found = [place for place in places if place >= 0]
    assert found
    assert found == sorted(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_number_but_0_and_1_stands_in_a_body(name: str) -> None:
    """Numbers have names."""
    function = FUNCTIONS[name].function
    docstring = inspect.getdoc(function) or ""
    body = FUNCTIONS[name].source.partition("# ")[2]
    body = re.sub(r"#.*|\"[^\"]*\"|'[^']*'", "", body)
    numbers = set(re.findall(r"(?<![\w.])\d\w*", body))
    assert docstring
    assert numbers <= {"0", "1"}, numbers


def test_every_call_is_documented_in_sections() -> None:
    """Each argument and result has its entry, with a meaning."""
    for spec in CALLS.values():
        for each in (*spec.parameters, *spec.results):
            assert each.meaning, (spec.name, each.name)


# ------------------------------------------------------------ instructions

_OPERANDS = {
    "": "",
    "rm": "ecx",
    "rm8": "cl",
    "rm16": "cx",
    "rm32": "ecx",
    "rmv": "ecx",
    "r": "ebx",
    "r32": "ebx",
    "rv": "ebx",
    "m": "dword ptr [work]",
    "m32": "[work]",
    "i": "7",
    "i8": "3",
    "i16": "4",
    "cl": "cl",
    "sreg": "ss",
    "loadable": "ss",
    "cr": "cr4",
    "label": "there",
    "call": "VMI_EnableInterrupts",
    "far": "0x60:there",
    "place": "[work]",
    "m48": "[work]",
    "m64": "qword ptr [work]",
    "r16": "cx",
    "bx8": "byte ptr [ebx]",
    "di": "dword ptr es:[edi]",
    "si": "dword ptr [esi]",
    "dr": "dr7",
    **{name: name for name in ("al", "ax", "eax", "dx")},
}


def _write(mnemonic: str, form: str) -> str:
    """Write an instruction with operands of a form."""
    codes = [code.strip() for code in form.split(",")]
    operands = [_OPERANDS[code] for code in codes]
    if {"rm8", "rm16"} & {*codes} and "sreg" in codes:
        operands = ["cx", "ss"]
    return f"{mnemonic} {', '.join(operands)}".strip()


TEXTS = [
    _write(mnemonic, form)
    for mnemonic, forms in FORMS.items()
    for form in forms
]
TEXTS += [f"rep {name}" for name in ("movsd", "stosb", "lodsw", "insb")]
SEARCHES = ("cmpsb", "scasd")
TEXTS += [f"{way} {name}" for name in SEARCHES for way in ("repe", "repne")]


def test_the_texts_reach_every_instruction() -> None:
    """There is a function for each mnemonic that a listing may hold."""
    written = {text.split()[-1 if "rep" in text else 0] for text in TEXTS}
    plain = {name.partition("-")[0].split()[-1] for name in INSTRUCTIONS}
    assert {SHORT[n][0] if n in SHORT else n for n in written} == plain


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_an_instruction_ends_in_a_declared_way(
    text: str, data: st.DataObject
) -> None:
    """At any privilege it gives a machine or a gap, and twice the same."""
    for platform in BOARDS:
        machine = build(
            f"there: {text}\nnop",
            platform=platform,
            data={"work": 5},
            gp="nop",
            ud="nop",
        )
        vcpu = data.draw(vcpus(get_vcpu(machine)))
        machine = machine.replace(vcpus=(vcpu,))
        before = tuple(machine)
        first, second = _step(machine), _step(machine)
        assert first == second
        assert tuple(machine) == before


def _step(machine: Machine) -> Machine | str:
    """Carry out an instruction and answer how it ended."""
    host: Any = machine.board.host
    try:
        after: Machine = host.step(machine, 0).machine
    except ENDS as gap:
        return str(gap)
    assert 0 <= get_vcpu(after).eip <= 0xFFFF_FFFF
    assert 0 <= get_vcpu(after).flags <= 0xFFFF_FFFF
    return after
