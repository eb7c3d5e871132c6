"""What the manual says of interrupts and faults, case by case.

Each rule is guest code with a first state, and the data words that it leaves
behind by the Intel SDM; volume and chapter stand above it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.sim.layout import KERNEL_BASE, USER_BASE, USER_STACK_TOP
from app.sim.listing import SLOT
from tests.oracles.qemu import Case

NOTES_IRQ = """
        mov eax, dword ptr [esp]
        mov dword ptr [saved], eax
        mov eax, dword ptr [count]
        mov dword ptr [seen], eax
        iretd
"""
NOTES_FAULT = """
        pop dword ptr [code]
        pop dword ptr [saved]
        jmp finish
"""
NOTES_TRAP = """
        pop dword ptr [saved]
        jmp finish
"""
ENDS = """
        jmp finish
"""
WAKES = """
        mov eax, dword ptr [esp]
        mov dword ptr [woken], eax
        iretd
"""
SEEN = ("saved", "count", "seen")


def kernel(statement: int) -> int:
    """Return the address of a statement of the kernel's listing."""
    return KERNEL_BASE + SLOT * statement


def user(statement: int) -> int:
    """Return the address of a statement of the user's listing."""
    return USER_BASE + SLOT * statement


@dataclass(frozen=True, slots=True)
class Rule:
    """A case, and what the manual says its words are in the end."""

    case: Case
    expected: Mapping[str, int]


def _pending(code: str) -> Case:
    """Make a case in which IRQ 0 is pending and interrupts are off."""
    return Case(
        kernel=code,
        handlers={"irq0": NOTES_IRQ},
        words=SEEN,
        pending="irq0",
    )


def _fault(code: str, handler: str, name: str = "gp") -> Case:
    """Make a case in which an instruction of the kernel's raises a fault."""
    return Case(kernel=code, handlers={name: handler}, words=("saved", "code"))


def _user_fault(code: str) -> Case:
    """Make a case in which an instruction of the user's raises #GP."""
    return Case(
        kernel=ENDS,
        enters_user=True,
        user=code,
        handlers={"gp": NOTES_FAULT},
        words=("saved", "code"),
    )


RULES = {
    # SDM vol. 2B, STI: recognized after the next instruction.
    "sti-shadow": Rule(
        _pending("""
        sti
        inc dword ptr [count]
        inc dword ptr [count]
        jmp finish
"""),
        {"saved": kernel(2), "count": 2, "seen": 1},
    ),
    # SDM vol. 2B, STI: STI followed by CLI lets nothing in.
    "sti-cli": Rule(
        _pending("""
        sti
        cli
        inc dword ptr [count]
        jmp finish
"""),
        {"saved": 0, "count": 1, "seen": 0},
    ),
    # SDM vol. 2B, STI: no delay if IF was set already.
    "sti-sti": Rule(
        _pending("""
        sti
        sti
        inc dword ptr [count]
        jmp finish
"""),
        {"saved": kernel(2), "count": 1, "seen": 0},
    ),
    # SDM vol. 3A, 6.8.1: POPF has no shadow.
    "popf": Rule(
        _pending("""
        pushfd
        or dword ptr [esp], 0x200
        popfd
        inc dword ptr [count]
        jmp finish
"""),
        {"saved": kernel(3), "count": 1, "seen": 0},
    ),
    # SDM vol. 3A, 6.8.1: nor has IRET.
    "iret": Rule(
        _pending("""
        pushfd
        or dword ptr [esp], 0x200
        mov eax, cs
        push eax
        push offset target
        iretd
target: inc dword ptr [count]
        jmp finish
"""),
        {"saved": kernel(6), "count": 1, "seen": 0},
    ),
    # SDM vol. 2A, HLT: an interrupt resumes after the instruction.
    "sti-hlt": Rule(
        _pending("""
        sti
        hlt
        inc dword ptr [count]
        jmp finish
"""),
        {"saved": kernel(2), "count": 1, "seen": 0},
    ),
    # The same, where the interrupt comes long after HLT has begun.
    "hlt-wakes": Rule(
        Case(
            kernel="""
        hlt
        inc dword ptr [count]
        jmp finish
""",
            handlers={"irq1": WAKES},
            words=("woken", "count"),
            timer="irq1",
            interrupts=True,
        ),
        {"woken": kernel(1), "count": 1},
    ),
    # The wake-up that falls between STI; NOP and HLT is lost: only the later
    # interrupt ends the halt.
    "sti-nop-hlt": Rule(
        Case(
            kernel="""
        sti
        nop
        hlt
        jmp finish
""",
            handlers={"irq0": NOTES_IRQ, "irq1": WAKES},
            words=("saved", "count", "seen", "woken"),
            pending="irq0",
            timer="irq1",
        ),
        {"saved": kernel(2), "count": 0, "seen": 0, "woken": kernel(3)},
    ),
    # SDM vol. 3A, 6.12.1.2: an interrupt gate clears IF, the frame keeps it.
    "interrupt-gate": Rule(
        Case(
            kernel="""
        sti
        nop
        jmp finish
""",
            handlers={
                "irq0": """
        pushfd
        pop eax
        and eax, 0x200
        mov dword ptr [inside], eax
        mov eax, dword ptr [esp + 8]
        and eax, 0x200
        mov dword ptr [outside], eax
        mov eax, dword ptr [esp + 4]
        mov dword ptr [segment], eax
        iretd
"""
            },
            words=("inside", "outside", "segment"),
            pending="irq0",
        ),
        {"inside": 0, "outside": 0x200, "segment": 0x60},
    ),
    # SDM vol. 3A, 6.12.1: from CPL 3 the stack is switched by the TSS.
    "stack-switch": Rule(
        Case(
            kernel=ENDS,
            enters_user=True,
            user="""
        nop
again:  jmp again
""",
            handlers={
                "irq0": """
        pop dword ptr [saved]
        pop dword ptr [segment]
        pop eax
        pop dword ptr [stack]
        mov dword ptr [kernelstack], esp
        jmp finish
"""
            },
            words=("saved", "segment", "stack", "kernelstack"),
            pending="irq0",
            interrupts=True,
        ),
        {
            "saved": user(0),
            "segment": 0x73,
            "stack": USER_STACK_TOP,
            "kernelstack": 0xC04F_FFFC,
        },
    ),
    # SDM vol. 2B, STI, and SYSEXIT: the shadow covers SYSEXIT, so that the
    # interrupt is taken in user mode.
    "sti-sysexit": Rule(
        Case(
            kernel=f"""
        mov edx, {USER_BASE}
        mov ecx, {USER_STACK_TOP}
        jmp leave
        nop
leave:  sti
        sysexit
""",
            user="""
        nop
again:  jmp again
""",
            handlers={
                "irq0": """
        pop dword ptr [saved]
        pop dword ptr [segment]
        jmp finish
"""
            },
            words=("saved", "segment"),
            pending="irq0",
        ),
        {"saved": user(0), "segment": 0x73},
    ),
    # SDM vol. 3A, 6.12.1.1: INT through a gate of DPL 0 at CPL 3 is #GP with
    # the vector and the IDT bit as its code; it saves the INT itself.
    "int-without-right": Rule(
        _user_fault("""
        nop
        int 0x20
"""),
        {"saved": user(1), "code": 0x20 * 8 + 2},
    ),
    "user-cli": Rule(
        _user_fault("""
        cli
"""),
        {"saved": user(0), "code": 0},
    ),
    "user-hlt": Rule(
        _user_fault("""
        nop
        hlt
"""),
        {"saved": user(1), "code": 0},
    ),
    # SDM vol. 3A, 6.15: faults save the instruction, traps the next one.
    "ud2": Rule(
        _fault(
            """
        nop
        ud2
""",
            NOTES_TRAP,
            "ud",
        ),
        {"saved": kernel(1), "code": 0},
    ),
    "division": Rule(
        _fault(
            """
        nop
        div ecx
""",
            NOTES_TRAP,
            "de",
        ),
        {"saved": kernel(1), "code": 0},
    ),
    "int3": Rule(
        _fault(
            """
        nop
        int3
        jmp finish
""",
            NOTES_TRAP,
            "bp",
        ),
        {"saved": kernel(2), "code": 0},
    ),
    "system-call": Rule(
        Case(
            kernel=ENDS,
            enters_user=True,
            user="""
        int 0x80
        ud2
""",
            handlers={
                "int80": """
        pop dword ptr [saved]
        pop dword ptr [segment]
        jmp finish
"""
            },
            words=("saved", "segment"),
        ),
        {"saved": user(1), "segment": 0x73},
    ),
    # SDM vol. 2B, POPF: CPL 3 with IOPL 0 leaves IF alone, in silence.
    "user-popf": Rule(
        Case(
            kernel=ENDS,
            enters_user=True,
            user="""
        pushfd
        and dword ptr [esp], 0xfffffdff
        popfd
        pushfd
        pop ebx
        int 0x80
""",
            handlers={
                "int80": """
        and ebx, 0x200
        mov dword ptr [flag], ebx
        jmp finish
"""
            },
            words=("flag",),
            interrupts=True,
        ),
        {"flag": 0x200},
    ),
}
