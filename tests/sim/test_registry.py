"""The tables, and what is derived from a signature."""

import pytest

from app.sim import CALLS, FAMILY_MODULES, GROUP_MODULES, INSTRUCTIONS
from app.sim.errors import NotModelled
from app.sim.listing import Register, Statement
from app.sim.machine import ARITHMETIC, CpuId, Machine, update
from app.sim.registry import (
    CLOBBERED,
    FLAGS_ONLY,
    Parameter,
    call,
    clobber,
    get_instruction,
    instruction,
)
from tests.sim.guest import build, get_vcpu, make_call


def _state(mnemonic: str, *names: str, prefix: str | None = None) -> Statement:
    operands = tuple(Register(name) for name in names)
    return Statement(mnemonic, operands, prefix, 0, 1, 1, mnemonic, "it")


def test_the_signature_is_the_argument_table() -> None:
    """Registers, meaning and unit come from annotation and docstring."""
    spec = CALLS["VMI_SetAlarm"]
    assert [p.register for p in spec.parameters] == [
        "EAX",
        "ECX:EDX",
        "ST(1):ST(0)",
    ]
    assert spec.parameters[1] == Parameter(
        "expiry",
        "ECX:EDX",
        "Value of the counter at which it fires.",
        "cycles",
    )
    assert CALLS["VMI_CPUID"].results[3].register == "EDX"


def test_a_spec_carries_what_a_page_shows() -> None:
    """Docstring, source and module of the function are at hand."""
    spec = CALLS["VMI_Halt"]
    assert spec.docstring.startswith("Enable interrupts and halt")
    assert spec.source.startswith("@call(")
    assert "# OPERATION" in spec.source
    assert spec.module == "app.sim.calls.processor_state"
    assert all(len(line) <= 79 for line in spec.source.splitlines())


def test_stack_arguments_make_a_64_bit_value() -> None:
    """In a pair the first word named is the high one."""
    machine = build(platform="software")
    made = make_call(
        machine, "VMI_SetAlarm", eax=0x100, edx=5, ecx=1, st0=7, st1=2
    )
    alarm = get_vcpu(made.after).alarms[0]
    assert alarm is not None
    assert alarm[:2] == (0x1_0000_0005, 0x2_0000_0007)


def test_clobber_spoils_what_is_declared() -> None:
    """Registers get a mark, arithmetic flags their opposite."""
    machine = update(build(), 0, eax=1, ebx=2)
    flags = get_vcpu(machine).flags
    vcpu = get_vcpu(clobber(machine, 0, CALLS["VMI_Pause"]))
    assert (vcpu.eax, vcpu.ebx) == (CLOBBERED, 2)
    assert vcpu.flags == flags ^ ARITHMETIC
    vcpu = get_vcpu(clobber(machine, 0, CALLS["VMI_DisableInterrupts"]))
    assert vcpu.eax == 1


def test_an_instruction_is_found_by_its_operands() -> None:
    """Control and segment registers make other instructions of MOV."""
    assert get_instruction(_state("mov", "eax", "ebx")).name == "mov"
    assert get_instruction(_state("mov", "eax", "cr4")).name == "mov-cr"
    assert get_instruction(_state("mov", "ss", "eax")).name == "mov-seg"
    assert get_instruction(_state("push", "ss")).name == "push-seg"
    locked = _state("add", "eax", "ebx", prefix="lock")
    assert get_instruction(locked).name == "add"


def test_an_unknown_instruction_is_not_modelled() -> None:
    """What has no function says so."""
    with pytest.raises(NotModelled, match="instruction fsin"):
        get_instruction(_state("fsin"))
    with pytest.raises(NotModelled, match="instruction rep mov"):
        get_instruction(_state("mov", "eax", "ebx", prefix="rep"))


def test_a_name_is_entered_once() -> None:
    """Two functions for one name are our own mistake."""

    def pause(machine: Machine, cpu: CpuId) -> Machine:
        """Do nothing."""
        assert cpu == 0
        return machine

    with pytest.raises(AssertionError):
        call(
            "VMI_Pause",
            number=41,
            section="A.processor-state",
            clobbers=FLAGS_ONLY,
        )(pause)
    with pytest.raises(AssertionError):
        instruction("pause", section="SDM vol. 2B, PAUSE")(pause)


def test_every_function_is_in_a_module_that_is_named() -> None:
    """The public lists of modules are complete."""
    modules = {m.__name__ for m in (*GROUP_MODULES, *FAMILY_MODULES)}
    used = {spec.module for spec in CALLS.values()}
    used |= {spec.module for spec in INSTRUCTIONS.values()}
    assert used == modules
