"""The tables of calls and instructions, and what a signature says.

A call is one function under ``@call``, an instruction one function under
``@instruction``. The typed signature is the argument table: `Eax`, `EdxEax`,
`St0` and so on say where an argument lies. Decoding, the results, the
reference page and the law tests are derived from it.

A worked example of an instruction and of a call::

    @instruction("cli", section="SDM vol. 2A, CLI", sensitive="traps")
    def cli(machine: Machine, cpu: CpuId) -> Machine: ...

    @call("VMI_RDMSR", number=7, section="A.cpu-control", native=("rdmsr",))
    def rdmsr(
        machine: Machine, cpu: CpuId, index: Ecx
    ) -> tuple[Machine, EdxEax]: ...

When a function runs, EIP is already at the next statement (for a call: at
the return address) and the clobbered registers of a call are already spoilt;
a fault raised leaves the machine as it was before the step.
"""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import (
    Annotated,
    Final,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
)

from app.sim.errors import NotModelled
from app.sim.listing import (
    FarTarget,
    Memory,
    Operand,
    Register,
    Statement,
)
from app.sim.machine import ARITHMETIC, WORD, WORD_MASK, CpuId, Machine, update
from app.sim.memory import load

P = ParamSpec("P")
R = TypeVar("R")

Eax: TypeAlias = Annotated[int, "EAX"]
Ebx: TypeAlias = Annotated[int, "EBX"]
Ecx: TypeAlias = Annotated[int, "ECX"]
Edx: TypeAlias = Annotated[int, "EDX"]
Esi: TypeAlias = Annotated[int, "ESI"]
Edi: TypeAlias = Annotated[int, "EDI"]
EdxEax: TypeAlias = Annotated[int, "EDX:EAX"]
EcxEdx: TypeAlias = Annotated[int, "ECX:EDX"]
St0: TypeAlias = Annotated[int, "ST(0)"]
St1: TypeAlias = Annotated[int, "ST(1)"]
St2: TypeAlias = Annotated[int, "ST(2)"]
St1St0: TypeAlias = Annotated[int, "ST(1):ST(0)"]
St3: TypeAlias = Annotated[int | None, "ST(3)"]
St4: TypeAlias = Annotated[int | None, "ST(4)"]
St5: TypeAlias = Annotated[int | None, "ST(5)"]
St6: TypeAlias = Annotated[int | None, "ST(6)"]
St7: TypeAlias = Annotated[int | None, "ST(7)"]
St8: TypeAlias = Annotated[int | None, "ST(8)"]

STANDARD: Final = ("EAX", "ECX", "EDX", "flags")
FLAGS_ONLY: Final = ("flags",)
NOTHING: Final = ()

CLOBBERED: Final = 0xC10B_BE4D
"""What a clobbered register holds after a call that went to the ROM.

The arithmetic flags become the opposite of what they were. Both are values
that a guest does not meet by accident, and neither adds a state.
"""

FAR_POINTER: Final = 6
"""Bytes of an address and a selector in memory."""

GROUPS: Final = {
    "A.core": "core",
    "A.processor-state": "processor state",
    "A.cpu-control": "CPU control",
    "A.processor-information": "processor information",
    "A.privilege-transition": "stack / privilege transition",
    "A.timer": "timer",
    "A.descriptor": "descriptor",
    "A.io": "I/O",
    "A.apic": "APIC",
    "A.mmu": "MMU",
}


class Parameter(NamedTuple):
    """An argument or a result: where it lies and what it means."""

    name: str
    register: str
    meaning: str
    unit: str | None


class CallSpec(NamedTuple):
    """A call as its function tells it.

    ``native`` is the instructions that stand in its place where no ROM is
    used, empty if there are none. ``counts_return`` says that the RFC counts
    the return address as ST(0) of the call's stack arguments. ``built_in``
    is for a call whose native equivalent is no one instruction: the guest's
    own ROM has code for it where there is no hypervisor (RFC 2.7).
    """

    name: str
    number: int | None
    group: str
    section: str
    clause: str
    parameters: tuple[Parameter, ...]
    results: tuple[Parameter, ...]
    clobbers: tuple[str, ...]
    native: tuple[str, ...]
    docstring: str
    source: str
    module: str
    function: Callable[..., object]
    counts_return: bool = False
    built_in: bool = False


class InstructionSpec(NamedTuple):
    """An instruction as its function tells it.

    ``sensitive`` is None for one that does the same at every privilege,
    ``traps`` for one that a hypervisor catches and carries out, ``silent``
    for one that does something else, ``reveals`` for one that shows the
    machine beneath.
    """

    name: str
    clause: str
    sensitive: str | None
    docstring: str
    source: str
    module: str
    function: Callable[..., Machine]


CALLS: Final[dict[str, CallSpec]] = {}
INSTRUCTIONS: Final[dict[str, InstructionSpec]] = {}


def call(  # noqa: PLR0913 - the facts of a call
    name: str,
    *,
    number: int | None,
    section: str,
    clobbers: tuple[str, ...] = STANDARD,
    native: tuple[str, ...] = (),
    counts_return: bool = False,
    built_in: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function in the table of calls."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        assert name not in CALLS, name  # noqa: S101 - our own mistake
        parameters, results = _read_signature(function)
        CALLS[name] = CallSpec(
            name=name,
            number=number,
            group=GROUPS[section],
            section=section,
            clause=f"RFC A / {name}",
            parameters=parameters,
            results=results,
            clobbers=clobbers,
            native=native,
            docstring=inspect.getdoc(function) or "",
            source=textwrap.dedent(inspect.getsource(function)),
            module=function.__module__,
            function=function,
            counts_return=counts_return,
            built_in=built_in,
        )
        return function

    return register


def instruction(
    name: str, *, section: str, sensitive: str | None = None
) -> Callable[[Callable[P, Machine]], Callable[P, Machine]]:
    """Enter a function in the table of instructions."""

    def register(function: Callable[P, Machine]) -> Callable[P, Machine]:
        assert name not in INSTRUCTIONS, name  # noqa: S101 - our own mistake
        INSTRUCTIONS[name] = InstructionSpec(
            name=name,
            clause=section,
            sensitive=sensitive,
            docstring=inspect.getdoc(function) or "",
            source=textwrap.dedent(inspect.getsource(function)),
            module=function.__module__,
            function=function,
        )
        return function

    return register


def get_instruction(statement: Statement) -> InstructionSpec:
    """Find the function of a statement, by mnemonic, prefix and operands."""
    name = statement.mnemonic
    if name in {"mov", "push", "pop"}:
        for operand in statement.operands:
            if isinstance(operand, Register):
                kind = _SPECIAL_REGISTERS.get(operand.name)
                name = f"{name}-{kind}" if kind else name
    elif name in {"jmp", "call"} and _is_far(statement.operands[0]):
        name = f"{name}-far"
    if statement.prefix not in {None, "lock"}:
        name = f"{statement.prefix} {name}"
    if name not in INSTRUCTIONS:
        raise NotModelled(f"the instruction {name}")
    return INSTRUCTIONS[name]


def _is_far(operand: Operand) -> bool:
    """Whether a branch has a selector beside its address."""
    if isinstance(operand, Memory):
        return operand.size == FAR_POINTER
    return isinstance(operand, FarTarget)


_SPECIAL_REGISTERS: Final = {
    **dict.fromkeys(("cr0", "cr2", "cr3", "cr4"), "cr"),
    **{f"dr{number}": "dr" for number in range(8)},
    **dict.fromkeys(("cs", "ss", "ds", "es", "fs", "gs"), "seg"),
}


# ------------------------------------------------------ what signatures say


def _read_signature(
    function: Callable[..., object],
) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
    """Derive parameters and results from annotations and docstring."""
    hints = get_type_hints(function, include_extras=True)
    answer = hints.pop("return")
    words = _read_docstring(inspect.getdoc(function) or "")
    parameters = tuple(
        _build_parameter(name, hint, words)
        for name, hint in hints.items()
        if name not in {"machine", "cpu"}
    )
    hinted = [a for a in get_args(answer) if a is not Machine]
    names = [n for n in words if n not in hints]
    return parameters, tuple(
        _build_parameter(name, hint, words)
        for name, hint in zip(names, hinted, strict=True)
    )


def _build_parameter(
    name: str, hint: object, words: dict[str, tuple[str, str | None, str]]
) -> Parameter:
    """Join what the annotation and the docstring say of one argument."""
    register = str(get_args(hint)[1])
    said, unit, meaning = words[name]
    found = (name, said, register)
    assert said == register, found  # noqa: S101 - our own mistake
    return Parameter(name, register, meaning, unit)


_ENTRY: Final = re.compile(r"(\w+) : ([A-Z0-9():]+)(?:, (.+))?")


def _read_docstring(text: str) -> dict[str, tuple[str, str | None, str]]:
    """Read the entries ``name : REGISTER, unit`` and their meanings."""
    words: dict[str, tuple[str, str | None, str]] = {}
    name = None
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry:
            name, register, unit = entry.groups()
            words[name] = (register, unit, "")
        elif name and line.startswith("    "):
            register, unit, meaning = words[name]
            meaning = f"{meaning} {line.strip()}".strip()
            words[name] = (register, unit, meaning)
        else:
            name = None
    return words


# ------------------------------------------------------- carrying out a call


def perform_call(machine: Machine, cpu: CpuId, spec: CallSpec) -> Machine:
    """Carry out a call: decode, spoil what is clobbered, run, answer."""
    arguments = []
    for parameter in spec.parameters:
        machine, value = _decode(
            machine, cpu, parameter.register, int(spec.counts_return)
        )
        arguments.append(value)
    machine = clobber(machine, cpu, spec)
    answer = spec.function(machine, cpu, *arguments)
    if isinstance(answer, Machine):
        return answer
    assert isinstance(answer, tuple)  # noqa: S101 - the signature says so
    machine, *values = answer
    for result, value in zip(spec.results, values, strict=True):
        machine = _encode(machine, cpu, result.register, value)
    return machine


def clobber(machine: Machine, cpu: CpuId, spec: CallSpec) -> Machine:
    """Spoil the registers and flags that a call does not keep."""
    changes: dict[str, object] = {
        name.lower(): CLOBBERED for name in spec.clobbers if name.isupper()
    }
    if "flags" in spec.clobbers:
        changes["flags"] = machine.vcpus[cpu].flags ^ ARITHMETIC
    return update(machine, cpu, **changes)


def _decode(
    machine: Machine, cpu: CpuId, register: str, first: int
) -> tuple[Machine, int | None]:
    """Read an argument; None for an optional stack word that is not there.

    ``first`` is the number of the first word behind the return address.
    """
    value = 0
    for part in register.split(":"):
        if part.startswith("ST"):
            place = int(part[len("ST(") : -1]) - first
            address = machine.vcpus[cpu].esp + WORD * place
            try:
                machine, word = load(machine, cpu, address)
            except NotModelled:
                if part in _OPTIONAL:
                    return machine, None
                raise
        else:
            word = getattr(machine.vcpus[cpu], part.lower())
        value = (value << 32) | word
    return machine, value


_OPTIONAL: Final = frozenset(f"ST({place})" for place in range(3, 9))
"""Words of the frame of VMI_IRET that only some returns have."""


def _encode(
    machine: Machine, cpu: CpuId, register: str, value: int
) -> Machine:
    """Write a result; in a pair the first register has the high word."""
    for part in reversed(register.split(":")):
        changes: dict[str, object] = {part.lower(): value & WORD_MASK}
        machine = update(machine, cpu, **changes)
        value >>= 32
    return machine
