"""What the manuals say of real devices, case by case: 8259A, 8254, UART, APIC.

Each rule is guest code, and the data words that it leaves behind. When a timer
expires is free in the simulator. Not asked, for QEMU lacks it: errors of
vectors in the APIC's error status (SDM vol. 3A, 10.5.3), and OUT2, which
gates the line of the serial port on a PC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.oracles.qemu import Case

COUNTERS = ("count", "ended", "order", "ticks")
"""Words that handlers count in, whether or not a rule is about them."""

PRELUDE = """
        mov al, 0x30            # counter 0 stands still for 55 ms
        out 0x43, al
        mov al, 0xff
        out 0x40, al
        out 0x40, al
        mov al, 0x11            # both controllers, vectors from 0x20
        out 0x20, al
        out 0xa0, al
        mov al, 0x20
        out 0x21, al
        mov al, 0x28
        out 0xa1, al
        mov al, 4
        out 0x21, al
        mov al, 2
        out 0xa1, al
        mov al, 1
        out 0x21, al
        out 0xa1, al
        mov al, 0xff
        out 0xa1, al
"""
ONE_SHOT = """
        mov al, 0x30            # mode 0
        out 0x43, al
        mov al, 0xe8
        out 0x40, al
        mov al, 3
        out 0x40, al
"""
EMPTY_TRANSMITTER = """
        mov edx, 0x3fc          # OUT2
        mov al, 8
        out dx, al
        mov edx, 0x3f9          # interrupt on an empty transmitter
        mov al, 2
        out dx, al
"""
SHOW_REQUESTS = """
        mov al, 0x0a
        out 0x20, al
"""
END = """
        mov al, 0x20
        out 0x20, al
"""
APIC_END = """
        mov dword ptr [0xfee000b0], 0
"""


def mask(value: int) -> str:
    """Mask some lines of the first controller."""
    return f"        mov al, {value:#x}\n        out 0x21, al\n"


def note(number: int) -> str:
    """Append a digit to the order in which things happened."""
    return f"""
        mov eax, dword ptr [order]
        shl eax, 4
        or eax, {number}
        mov dword ptr [order], eax
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A case, what its words are in the end, and how often a timer expires."""

    kernel: str
    expected: Mapping[str, int]
    handlers: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    expiries: int = 0


RULES = {
    # 8259A: OCW3 shows what is in service, EOI ends it.
    "one-shot": Rule(
        kernel=PRELUDE
        + mask(0xFE)
        + ONE_SHOT
        + """
        sti
wait:   cmp dword ptr [count], 1
        jne wait
        mov al, 0x0b
        out 0x20, al
        in al, 0x20
        movzx eax, al
        mov dword ptr [after], eax
        jmp finish
""",
        handlers={
            "irq0": """
        mov al, 0x0b
        out 0x20, al
        in al, 0x20
        movzx eax, al
        mov dword ptr [inside], eax
        in al, 0x21
        movzx eax, al
        mov dword ptr [masked], eax
"""
            + END
            + """
        inc dword ptr [count]
        iretd
"""
        },
        expected={"count": 1, "inside": 1, "masked": 0xFE, "after": 0},
        expiries=2,
    ),
    # 8259A: a masked line stays requested and comes when it is unmasked.
    "masked": Rule(
        kernel=PRELUDE
        + mask(0xFF)
        + ONE_SHOT
        + SHOW_REQUESTS
        + """
        sti
poll:   in al, 0x20
        test al, 1
        jz poll
        mov eax, dword ptr [count]
        mov dword ptr [before], eax
        mov al, 0xfe
        out 0x21, al
        nop
        nop
        mov eax, dword ptr [count]
        mov dword ptr [after], eax
        jmp finish
""",
        handlers={
            "irq0": END + "        inc dword ptr [count]\n        iretd"
        },
        expected={"count": 1, "before": 0, "after": 1},
        expiries=2,
    ),
    # 8259A: without EOI the same line does not come again.
    "no-end": Rule(
        kernel=PRELUDE
        + mask(0xFE)
        + """
        mov al, 0x34            # mode 2: again and again
        out 0x43, al
        mov al, 0xd0
        out 0x40, al
        mov al, 7
        out 0x40, al
        sti
wait:   cmp dword ptr [count], 1
        jne wait
"""
        + SHOW_REQUESTS
        + """
poll:   in al, 0x20
        test al, 1
        jz poll
        mov eax, dword ptr [count]
        mov dword ptr [held], eax
"""
        + END
        + """
        nop
        nop
        mov eax, dword ptr [count]
        mov dword ptr [after], eax
        jmp finish
""",
        handlers={"irq0": "        inc dword ptr [count]\n        iretd"},
        expected={"held": 1, "after": 2},
        expiries=4,
    ),
    # 8259A: of two requests the lower line goes first.
    "priority": Rule(
        kernel=PRELUDE
        + mask(0xEE)
        + EMPTY_TRANSMITTER
        + ONE_SHOT
        + SHOW_REQUESTS
        + """
poll:   in al, 0x20
        and al, 0x11
        cmp al, 0x11
        jne poll
        sti
        nop
        nop
        nop
        cli
        jmp finish
""",
        handlers={
            "irq0": note(1) + END + "        iretd",
            "irq4": note(5)
            + """
        mov edx, 0x3fa          # the cause: this ends it
        in al, dx
        movzx eax, al
        mov dword ptr [cause], eax
"""
            + END
            + "        iretd",
        },
        expected={"order": 0x15, "cause": 2},
        expiries=2,
    ),
    # 8259A: a line of higher priority interrupts the handler of another.
    "nested": Rule(
        kernel=PRELUDE
        + mask(0xEE)
        + EMPTY_TRANSMITTER
        + """
        sti
        nop
wait:   cmp dword ptr [ended], 1
        jne wait
        mov al, 0x0b
        out 0x20, al
        in al, 0x20
        movzx eax, al
        mov dword ptr [after], eax
        jmp finish
""",
        handlers={
            "irq4": note(4)
            + "        mov edx, 0x3fa\n        in al, dx\n"
            + ONE_SHOT
            + """
        sti
inner:  cmp dword ptr [ticks], 1
        jne inner
"""
            + note(6)
            + END
            + """
        mov dword ptr [ended], 1
        iretd
""",
            "irq0": note(5)
            + """
        mov al, 0x0b
        out 0x20, al
        in al, 0x20
        movzx eax, al
        mov dword ptr [inside], eax
"""
            + END
            + "        inc dword ptr [ticks]\n        iretd",
        },
        expected={"order": 0x456, "inside": 0x11, "after": 0},
        expiries=2,
    ),
    # 8259A: one of lower priority waits for the end of the other.
    "not-nested": Rule(
        kernel=PRELUDE
        + mask(0xEE)
        + EMPTY_TRANSMITTER
        + ONE_SHOT
        + SHOW_REQUESTS
        + """
poll:   in al, 0x20
        and al, 0x11
        cmp al, 0x11
        jne poll
        sti
        nop
        nop
        nop
        jmp finish
""",
        handlers={
            "irq0": note(1)
            + "        sti\n        nop\n        nop\n"
            + note(2)
            + END
            + "        nop\n        nop\n"
            + note(3)
            + "        iretd",
            "irq4": "        mov edx, 0x3fa\n        in al, dx\n"
            + note(4)
            + END
            + "        iretd",
        },
        expected={"order": 0x1243},
        expiries=2,
    ),
    # 8259A: masks and edge registers are read as they were written.
    "registers": Rule(
        kernel=PRELUDE
        + mask(0xA5)
        + """
        in al, 0x21
        movzx eax, al
        mov dword ptr [first], eax
        in al, 0xa1
        movzx eax, al
        mov dword ptr [second], eax
        mov edx, 0x4d0
        mov al, 0xff
        out dx, al
        in al, dx
        movzx eax, al
        mov dword ptr [edges], eax
        xor eax, eax
        out dx, al
        inc edx
        dec al
        out dx, al
        in al, dx
        movzx eax, al
        mov dword ptr [more], eax
        xor eax, eax
        out dx, al
        jmp finish
""",
        expected={"first": 0xA5, "second": 0xFF, "edges": 0xF8, "more": 0xDE},
    ),
    # 16450: scratch register, divisor, loop mode.
    "serial": Rule(
        kernel="""
        mov edx, 0x3ff
        mov al, 0x5a
        out dx, al
        in al, dx
        movzx eax, al
        mov dword ptr [scratch], eax
        mov edx, 0x3fb
        mov al, 0x83
        out dx, al
        mov edx, 0x3f8
        mov ax, 0x010c
        out dx, ax
        xor eax, eax
        in ax, dx
        mov dword ptr [divisor], eax
        mov edx, 0x3fb
        mov al, 3
        out dx, al
        mov edx, 0x3fd
        in al, dx
        and eax, 0x60
        mov dword ptr [status], eax
        jmp finish
""",
        expected={"scratch": 0x5A, "divisor": 0x10C, "status": 0x60},
    ),
    # SDM vol. 2A, INS, and 2B, OUTS: the last byte stays in the register.
    "strings": Rule(
        kernel="""
        mov dword ptr [source], 0x44332211
        mov edx, 0x3ff
        mov esi, offset source
        mov ecx, 3
        rep outsb
        mov dword ptr [counted], ecx
        mov edi, offset target
        mov ecx, 3
        cld
        rep insb
        sub edi, offset target
        mov dword ptr [forward], edi
        outsb
        std
        mov edi, offset target + 3
        insb
        cld
        sub edi, offset target
        mov dword ptr [back], edi
        jmp finish
""",
        expected={
            "source": 0x4433_2211,
            "target": 0x4433_3333,
            "counted": 0,
            "forward": 3,
            "back": 2,
        },
    ),
    # SDM vol. 3A, 10.8.4: IRR, ISR and EOI of the local APIC.
    "apic": Rule(
        kernel="""
        mov dword ptr [0xfee00300], 0x44041
        mov eax, dword ptr [0xfee00220]
        mov dword ptr [requested], eax
        sti
        nop
        mov eax, dword ptr [0xfee00120]
        mov dword ptr [after], eax
        mov eax, dword ptr [0xfee00030]
        and eax, 0xff
        mov dword ptr [version], eax
        jmp finish
""",
        handlers={
            "vector41": """
        mov eax, dword ptr [0xfee00120]
        mov dword ptr [inside], eax
        mov eax, dword ptr [0xfee00220]
        mov dword ptr [left], eax
        mov eax, dword ptr [0xfee000a0]
        mov dword ptr [priority], eax
"""
            + APIC_END
            + "        iretd"
        },
        expected={
            "requested": 2,
            "inside": 2,
            "left": 0,
            "priority": 0x40,
            "after": 0,
            "version": 0x14,
        },
    ),
    # SDM vol. 3A, 10.8.3: the task priority holds off its class and lower.
    "task-priority": Rule(
        kernel="""
        mov dword ptr [0xfee00080], 0x50
        mov dword ptr [0xfee00300], 0x44041
        mov dword ptr [0xfee00300], 0x4405f
        mov dword ptr [0xfee00300], 0x44062
        sti
        nop
        nop
"""
        + note(15)
        + """
        mov dword ptr [0xfee00080], 0
        nop
        nop
        jmp finish
""",
        handlers={
            "vector41": note(4) + APIC_END + "        iretd",
            "vector5f": note(5) + APIC_END + "        iretd",
            "vector62": note(6) + APIC_END + "        iretd",
        },
        expected={"order": 0x6F54},
    ),
    # SDM vol. 3A, 10.8.3: a handler is interrupted by a higher class only.
    "classes": Rule(
        kernel="""
        sti
        nop
        mov dword ptr [0xfee00300], 0x44041
        nop
        nop
        jmp finish
""",
        handlers={
            "vector41": note(1)
            + """
        sti
        mov dword ptr [0xfee00300], 0x4404f
        nop
        nop
        mov dword ptr [0xfee00300], 0x44052
        nop
        nop
"""
            + note(2)
            + APIC_END
            + "        nop\n        nop\n"
            + note(3)
            + "        iretd",
            "vector4f": note(15) + APIC_END + "        iretd",
            "vector52": note(5) + APIC_END + "        iretd",
        },
        expected={"order": 0x152F3},
    ),
    # SDM vol. 3A, 10.5.4: the timer in one-shot mode, then masked.
    "apic-timer": Rule(
        kernel="""
        mov dword ptr [0xfee00320], 0x42
        mov dword ptr [0xfee00380], 1000
        sti
wait:   cmp dword ptr [count], 1
        jne wait
        mov eax, dword ptr [0xfee00390]
        mov dword ptr [current], eax
        mov dword ptr [0xfee00320], 0x10042
        mov dword ptr [0xfee00380], 1000
poll:   cmp dword ptr [0xfee00390], 0
        jne poll
        nop
        mov eax, dword ptr [0xfee00220]
        mov dword ptr [requested], eax
        jmp finish
""",
        handlers={
            "vector42": "        inc dword ptr [count]\n"
            + APIC_END
            + "        iretd"
        },
        expected={"count": 1, "current": 0, "requested": 0},
        expiries=2,
    ),
    # SDM vol. 1, 18.5: beyond the TSS's limit no port is open at IOPL 0.
    "user-without-iopl": Rule(
        kernel="""
        push 0x7b
        push 0xbfff0000
        push 0x2
        push 0x73
        push offset program
        iretd
""",
        user="""
program:
        mov edx, 0x3ff
        in al, dx
        mov dword ptr [passed], 1
        jmp finish
""",
        handlers={"gp": "        pop dword ptr [code]\n        jmp finish"},
        expected={"passed": 0, "code": 0},
    ),
    # SDM vol. 1, 18.5: with IOPL 3 user code has all ports.
    "user-with-iopl": Rule(
        kernel="""
        push 0x7b
        push 0xbfff0000
        push 0x3002
        push 0x73
        push offset program
        iretd
""",
        user="""
program:
        mov edx, 0x3ff
        mov al, 0x77
        out dx, al
        xor eax, eax
        in al, dx
        mov dword ptr [passed], eax
        int 0x80
""",
        handlers={
            "gp": "        mov dword ptr [passed], 1\n        jmp finish",
            "int80": "        jmp finish",
        },
        expected={"passed": 0x77},
    ),
}


def build_case(rule: Rule) -> Case:
    """Give a rule's code its data words: those expected, and counters."""
    used = "".join([rule.kernel, rule.user or "", *rule.handlers.values()])
    counters = [word for word in COUNTERS if f"[{word}]" in used]
    return Case(
        kernel=rule.kernel,
        user=rule.user,
        handlers=rule.handlers,
        words=tuple(dict.fromkeys((*rule.expected, *counters))),
    )


def list_cases() -> list[Case]:
    """List all that QEMU runs here."""
    return [build_case(rule) for rule in RULES.values()]
