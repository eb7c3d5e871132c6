"""What the manual says of page faults and of faults on the way to a handler.

Each rule is guest code with a first state, and the data words that it leaves
behind by the Intel SDM; volume and chapter stand above it.
"""

from app.sim.page_tables import USER_PAGES_BASE
from tests.oracles.qemu import Case
from tests.oracles.rules import ENDS, NOTES_FAULT, Rule, kernel, user

NOTES_PAGE_FAULT = """
        pop dword ptr [code]
        pop dword ptr [saved]
        mov eax, cr2
        mov dword ptr [missed], eax
        jmp finish
"""
NOTES_DOUBLE_FAULT = """
        pop dword ptr [code]
        inc dword ptr [doubled]
        jmp finish
"""
FIND_IDT = """
        sidt fword ptr [table]
        mov ebx, dword ptr [table + 2]
"""
FIND_GDT = """
        sgdt fword ptr [table]
        mov ebx, dword ptr [table + 2]
"""
FORGET_TABLE = """
        mov dword ptr [table], 0
        mov dword ptr [rest], 0
"""
BEHIND_TABLE = 4
"""How many statements the code to find a table, and to forget it, has."""

MISSING = {"present": False}
READ_ONLY = {"present": True, "write": False, "user": True}
KERNEL_ONLY = {"present": True, "write": True, "user": False}
OPEN = {"present": True, "write": True, "user": True}


def _kernel_miss(rights: dict[str, bool], code: str, error: int) -> Rule:
    """Make a rule of a kernel's access to a page that is not allowed."""
    return Rule(
        Case(
            kernel=f"nop\n{code}",
            handlers={"pf": NOTES_PAGE_FAULT},
            words=("code", "saved", "missed"),
            pages={"first": OPEN, "window": rights},
        ),
        {
            "code": error,
            "saved": kernel(1),
            "missed": USER_PAGES_BASE + 0x1008,
        },
    )


def _user_miss(rights: dict[str, bool], code: str, error: int) -> Rule:
    """Make a rule of a user's access to a page that is not allowed."""
    return Rule(
        Case(
            kernel=ENDS,
            enters_user=True,
            user=f"nop\n{code}",
            handlers={"pf": NOTES_PAGE_FAULT},
            words=("code", "saved", "missed"),
            pages={"first": OPEN, "window": rights},
        ),
        {
            "code": error,
            "saved": user(1),
            "missed": USER_PAGES_BASE + 0x1008,
        },
    )


def _benign_then_fault(mask: str, external: int) -> Rule:
    """Make a rule of #UD whose gate is none; the handler may mask its code."""
    return Rule(
        Case(
            kernel=FIND_IDT
            + f"        mov dword ptr [ebx + {6 * 8 + 4}], 0\n"
            + FORGET_TABLE
            + "        ud2\n",
            handlers={"gp": mask + NOTES_FAULT, "df": NOTES_DOUBLE_FAULT},
            words=("table", "rest", "code", "saved", "doubled"),
        ),
        {
            "table": 0,
            "rest": 0,
            "code": 6 * 8 + 2 + external,
            "saved": kernel(BEHIND_TABLE + 1),
            "doubled": 0,
        },
    )


READ = "mov eax, dword ptr [window + 8]\n"
WRITE = "mov dword ptr [window + 8], eax\n"
NOTE_BITS = """
        mov eax, dword ptr [window_pte]
        and eax, 0x60
        mov dword ptr [{}], eax
"""

FAULT_RULES = {
    # SDM vol. 3A, 4.7: error code and CR2 of each kind of access.
    "kernel-reads-missing": _kernel_miss(MISSING, READ, 0),
    "kernel-writes-missing": _kernel_miss(MISSING, WRITE, 2),
    "kernel-writes-read-only": _kernel_miss(READ_ONLY, WRITE, 3),
    "user-reads-missing": _user_miss(MISSING, READ, 4),
    "user-reads-kernel": _user_miss(KERNEL_ONLY, READ, 5),
    "user-writes-missing": _user_miss(MISSING, WRITE, 6),
    "user-writes-read-only": _user_miss(READ_ONLY, WRITE, 7),
    "user-writes-kernel": _user_miss(KERNEL_ONLY, WRITE, 7),
    # SDM vol. 3A, 4.8: a read sets A, a write sets D as well.
    "accessed-and-dirty": Rule(
        Case(
            kernel=NOTE_BITS.format("before")
            + "mov ecx, dword ptr [window]\n"
            + NOTE_BITS.format("afterread")
            + "mov dword ptr [window], ecx\n"
            + NOTE_BITS.format("afterwrite")
            + ENDS,
            words=("before", "afterread", "afterwrite"),
            pages={"window": OPEN},
        ),
        {"before": 0, "afterread": 0x20, "afterwrite": 0x60},
    ),
    # SDM vol. 3A, 4.10.4.1: INVLPG drops what the processor remembers.
    "invlpg": Rule(
        Case(
            kernel="""
        mov eax, dword ptr [window]
        mov dword ptr [window_pte], 0
        invlpg [window]
        mov eax, dword ptr [window]
""",
            handlers={"pf": NOTES_PAGE_FAULT},
            words=("code", "saved", "missed"),
            pages={"window": OPEN},
        ),
        {"code": 0, "saved": kernel(3), "missed": USER_PAGES_BASE},
    ),
    # The same of MOV to CR3.
    "cr3-reload": Rule(
        Case(
            kernel="""
        mov eax, dword ptr [window]
        mov dword ptr [window_pte], 0
        mov eax, cr3
        mov cr3, eax
        mov dword ptr [window], eax
""",
            handlers={"pf": NOTES_PAGE_FAULT},
            words=("code", "saved", "missed"),
            pages={"window": OPEN},
        ),
        {"code": 2, "saved": kernel(4), "missed": USER_PAGES_BASE},
    ),
    # SDM vol. 3A, 6.5: a fault can be mended, and its instruction restarted.
    "restart": Rule(
        Case(
            kernel="""
        mov dword ptr [first], 0x1234
        mov ecx, dword ptr [window]
        mov dword ptr [found], ecx
        jmp finish
""",
            handlers={
                "pf": """
        add esp, 4
        mov eax, dword ptr [first_pte]
        mov dword ptr [window_pte], eax
        inc dword ptr [faults]
        iretd
"""
            },
            words=("found", "faults"),
            pages={"first": OPEN, "window": MISSING},
        ),
        {"found": 0x1234, "faults": 1},
    ),
    # SDM vol. 3A, 6.15, interrupt 8: two contributory exceptions.
    "double-fault": Rule(
        Case(
            kernel=FIND_IDT
            + f"        mov dword ptr [ebx + {13 * 8 + 4}], 0\n"
            + FORGET_TABLE
            + "        mov ecx, 0x100\n        mov fs, ecx\n",
            handlers={"df": NOTES_DOUBLE_FAULT},
            words=("table", "rest", "code", "doubled"),
        ),
        {"table": 0, "rest": 0, "code": 0, "doubled": 1},
    ),
    # The same: a page fault and then a contributory one.
    "double-page-fault": Rule(
        Case(
            kernel=FIND_IDT
            + f"        mov dword ptr [ebx + {14 * 8 + 4}], 0\n"
            + FORGET_TABLE
            + "        mov eax, dword ptr [window]\n",
            handlers={"df": NOTES_DOUBLE_FAULT},
            words=("table", "rest", "code", "doubled"),
            pages={"window": MISSING},
        ),
        {"table": 0, "rest": 0, "code": 0, "doubled": 1},
    ),
    # The same: one benign exception does not double the other. EXT, the
    # code's lowest bit, is left out: see `KNOWN_WRONG`.
    "benign-then-fault": _benign_then_fault(
        "        and dword ptr [esp], 0xfffffffe", 0
    ),
    # SDM vol. 3A, 6.15, interrupt 11: a gate that is not present.
    "missing-gate": Rule(
        Case(
            kernel=FIND_IDT
            + f"        and byte ptr [ebx + {0x80 * 8 + 5}], 0x7f\n"
            + FORGET_TABLE
            + "        int 0x80\n",
            handlers={"np": NOTES_FAULT, "int80": "        jmp finish\n"},
            words=("table", "rest", "code", "saved"),
        ),
        {
            "table": 0,
            "rest": 0,
            "code": 0x80 * 8 + 2,
            "saved": kernel(BEHIND_TABLE + 1),
        },
    ),
    # The same: a segment that is not present.
    "missing-segment": Rule(
        Case(
            kernel=FIND_GDT
            + "        mov dword ptr [ebx + 0x38], 0xffff\n"
            + "        mov dword ptr [ebx + 0x3c], 0xcf1300\n"
            + FORGET_TABLE
            + "        mov ecx, 0x38\n        mov fs, ecx\n",
            handlers={"np": NOTES_FAULT},
            words=("table", "rest", "code", "saved"),
        ),
        {
            "table": 0,
            "rest": 0,
            "code": 0x38,
            "saved": kernel(BEHIND_TABLE + 3),
        },
    ),
    # SDM vol. 3A, 6.15, interrupt 12: a stack that is not present.
    "missing-stack": Rule(
        Case(
            kernel=FIND_GDT
            + "        mov dword ptr [ebx + 0x38], 0xffff\n"
            + "        mov dword ptr [ebx + 0x3c], 0xcf1300\n"
            + FORGET_TABLE
            + "        mov ecx, 0x38\n        mov ss, ecx\n",
            handlers={"ss": NOTES_FAULT},
            words=("table", "rest", "code", "saved"),
        ),
        {
            "table": 0,
            "rest": 0,
            "code": 0x38,
            "saved": kernel(BEHIND_TABLE + 3),
        },
    ),
}

KNOWN_WRONG = {
    "SDM vol. 3A, 6.13: EXT is set in the code of a fault on the way to the "
    "handler of an earlier exception": _benign_then_fault("", 1),
}
"""What QEMU does otherwise, by what the manual says."""
