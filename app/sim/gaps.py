"""The words that the RFC lacks: each is declared here, once.

A gap is a case on which the text under review is silent. Semantics that come
to one ask `choose_or_raise` how it is read: as long as nobody has chosen,
they raise `Unspecified`, and the explorer answers with what each reading
leads to. A gap is a policy too, by the same name, whose default is silence.

To add one: a `Gap` below, and ``choose_or_raise(machine, "its_name")`` under
``# CHECKS`` of each call that it concerns.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.errors import Unspecified
from app.sim.machine import Machine

UNSPECIFIED: Final = "unspecified"
"""The reading of a gap on which nobody has decided."""


class Gap(NamedTuple):
    """One case on which the RFC is silent.

    Parameters
    ----------
    name
        That of the policy by which a reading is chosen.
    section
        The clause in which the word is missing, such as ``RFC 2.4`` or
        ``RFC Appendix A / MMU calls``.
    case
        What is not said, as a noun phrase that continues the clause.
    text
        What the RFC does say, and what it leaves out.
    calls
        The calls that come to it; none where an event or an instruction
        does.
    readings
        Each reading and the sentence that the RFC would have to contain.
    """

    name: str
    section: str
    case: str
    text: str
    calls: tuple[str, ...]
    readings: Mapping[str, str]

    @property
    def clause(self) -> str:
        """The clause and the case, as an answer names them."""
        return f"{self.section}: {self.case}"


CPU_CONTROL: Final = "RFC Appendix A / CPU control calls"
PRIVILEGE: Final = "RFC Appendix A / Stack / privilege transition calls"
INPUT_OUTPUT: Final = "RFC Appendix A / I/O calls"
TIMER: Final = "RFC Appendix A / Timer calls"
STATE: Final = "RFC Appendix A / Processor state calls"

ACCESSORS: Final = (
    "VMI_SetPte",
    "VMI_SwapPte",
    "VMI_TestAndSetPteBit",
    "VMI_TestAndClearPteBit",
    "VMI_SetPteLong",
    "VMI_SwapPteLong",
    "VMI_TestAndSetPteBitLong",
    "VMI_TestAndClearPteBitLong",
    "VMI_DeactivatePxELongAtomic",
)
"""The calls that change an entry of a page table."""

_ALL: Final = (
    Gap(
        name="unimplemented_msr",
        section=CPU_CONTROL,
        case="an unimplemented MSR",
        text=(
            "A hypervisor may implement only part of the model-specific "
            "registers. What an access to one of the others does is not "
            "said, and the calls have no error channel."
        ),
        calls=("VMI_WRMSR", "VMI_WRMSR_SPLIT", "VMI_RDMSR"),
        readings={
            "fault": "An access to an unimplemented register raises #GP.",
            "zero": (
                "An unimplemented register reads as zero and writes to it "
                "are dropped."
            ),
            "pass-through": (
                "An access to an unimplemented register goes to the "
                "processor's own."
            ),
        },
    ),
    Gap(
        name="ap_state_place",
        section=STATE,
        case="an APState that does not begin at a page",
        text=(
            "VMI_SetInitialAPState takes a linear address that is aligned to "
            "a page. Linux passes one that is not; what the call does then "
            "is not said, and it has no error channel."
        ),
        calls=("VMI_SetInitialAPState",),
        readings={
            "taken": "The structure is read wherever it lies.",
            "ignored": (
                "The call has no effect, so that the processor does not start."
            ),
        },
    ),
    Gap(
        name="ap_state_early",
        section=STATE,
        case="an initial state that is set before the INIT message",
        text=(
            "The order is INIT, VMI_SetInitialAPState, STARTUP. Whether an "
            "INIT that comes later forgets a state that was set before is "
            "not said; Linux sends more than one."
        ),
        calls=("VMI_SetInitialAPState",),
        readings={
            "kept": "The state stays until the processor starts.",
            "lost": "An INIT message forgets the state.",
        },
    ),
    Gap(
        name="ap_state_invalid",
        section=STATE,
        case="an initial state without protection, without paging or in "
        "long mode",
        text=(
            "PE and PG have to be set in CR0, LME and LMA clear in EFER; "
            "else the result is called undefined. RFC 2.9 says that a "
            "processor with an invalid state does not start, without "
            "saying what is invalid."
        ),
        calls=("VMI_SetInitialAPState",),
        readings={
            "not-started": "The processor does not start.",
            "as-given": "The processor starts with the registers as given.",
        },
    ),
    Gap(
        name="ap_state_nobody",
        section=STATE,
        case="an APIC number that no processor has",
        text=(
            "VMI_SetInitialAPState names a processor by the number of its "
            "local APIC. What it does if there is none such, or if it is "
            "the caller's own, is not said."
        ),
        calls=("VMI_SetInitialAPState",),
        readings={
            "ignored": "The call has no effect.",
            "fault": "The call raises #GP.",
        },
    ),
    Gap(
        name="soft_reboot",
        section=STATE,
        case="what survives a soft reboot",
        text=(
            "A soft reboot is like the receipt of an INIT message, with part "
            "of the state of APIC and control registers preserved. Which "
            "part is not listed."
        ),
        calls=("VMI_Reboot",),
        readings={
            "as-init": (
                "What INIT preserves survives: model-specific registers, "
                "counters, and the number of the APIC."
            ),
            "nothing": "Nothing survives, as with a hard reboot.",
        },
    ),
    Gap(
        name="reboot_mode",
        section=STATE,
        case="a reboot that is neither soft nor hard",
        text="Only the modes 0 and 1 are defined.",
        calls=("VMI_Reboot",),
        readings={
            "hard": "Any other mode is a hard reboot.",
            "ignored": "Any other mode has no effect.",
        },
    ),
    Gap(
        name="msr_key",
        section=CPU_CONTROL,
        case="a key outside EAX, EDX and ECX",
        text=(
            "VMI_WRMSR passes three registers. Some processors write a "
            "register only while a key stands in a fourth; whether that "
            "reaches the processor is not said."
        ),
        calls=("VMI_WRMSR", "VMI_WRMSR_SPLIT"),
        readings={
            "transported": (
                "All general registers are passed to the processor as they "
                "are at the call."
            ),
            "ignored": (
                "Only EAX, EDX and ECX are passed; a write that needs more "
                "is lost."
            ),
        },
    ),
    Gap(
        name="iret_user_if",
        section=PRIVILEGE,
        case="a return to user space with interrupts disabled",
        text=(
            "The RFC calls such a return invalid and its result undefined. "
            "A task with IOPL 3 does it whenever it is interrupted after "
            "CLI."
        ),
        calls=("VMI_IRET",),
        readings={
            "masked": "User code goes on with interrupts disabled.",
            "enabled": "Interrupts are enabled by the return.",
        },
    ),
    Gap(
        name="unreported_store",
        section="RFC 2.6",
        case="a store to a descriptor table that no call reported",
        text=(
            "The guest has to report changes of its tables by VMI_SetGDT, "
            "VMI_SetLDT, VMI_SetIDT and VMI_Write*Entry. Direct stores may be "
            "forbidden, but what one does that is made all the same is not "
            "said."
        ),
        calls=(
            "VMI_WriteGDTEntry",
            "VMI_WriteLDTEntry",
            "VMI_WriteIDTEntry",
        ),
        readings={
            "unseen": (
                "A store that is not reported has no effect until the table "
                "is loaded again or the entry is written by a call."
            ),
            "caught": (
                "The tables are write-protected; a store is carried out as "
                "the call would do it, and its privileges are adjusted."
            ),
            "as-is": (
                "The entry is used as the guest has written it; one whose "
                "privileges do not fit the kernel's ring faults when used."
            ),
        },
    ),
    Gap(
        name="live_segment_invalid",
        section="RFC 2.4",
        case="a live segment register whose descriptor is made invalid",
        text=(
            "After a change of the tables the segment registers are "
            "reloaded, and one that has become invalid has to be NULL or the "
            "reload faults. Whether the hypervisor or the guest, before the "
            "call, makes it NULL is not said."
        ),
        calls=(
            "VMI_SetGDT",
            "VMI_SetLDT",
            "VMI_WriteGDTEntry",
            "VMI_WriteLDTEntry",
        ),
        readings={
            "null": "The hypervisor loads NULL in place of what is invalid.",
            "fault": (
                "The call raises the fault of the reload; the guest has to "
                "load NULL before it."
            ),
        },
    ),
    Gap(
        name="feature_off",
        section=CPU_CONTROL,
        case="a control bit whose feature is on and shall be off",
        text=(
            "Which bits of CR0 and CR4 may be changed depends on the "
            "hypervisor. VMware's cannot switch features of the MMU and "
            "protected mode off again; what the attempt does is not said."
        ),
        calls=("VMI_SetCR0", "VMI_SetCR4"),
        readings={
            "kept": "The bit stays set and the rest is written.",
            "fault": "The call raises #GP and writes nothing.",
            "cleared": "The feature is switched off.",
        },
    ),
    Gap(
        name="cr3_queue",
        section=CPU_CONTROL,
        case="the queue in which VMI_SetCR3 waits",
        text=(
            "The call's queue class is given as MMU, while the flag "
            "VMI_DEFER_CPU is the one that covers control registers. The two "
            "differ where just one of the classes may wait."
        ),
        calls=("VMI_SetCR3",),
        readings={
            "cpu": "VMI_SetCR3 waits if VMI_DEFER_CPU is set.",
            "mmu": "VMI_SetCR3 waits if VMI_DEFER_MMU is set.",
        },
    ),
    Gap(
        name="missing_dr",
        section=CPU_CONTROL,
        case="a write to a debug register that is not supported",
        text=(
            "VMI_GetDR may answer zero where debug registers are not "
            "supported. What VMI_SetDR does there is not said."
        ),
        calls=("VMI_SetDR",),
        readings={
            "dropped": "The write has no effect.",
            "fault": "The call raises #GP.",
        },
    ),
    Gap(
        name="faulting_iret",
        section="RFC 3, item 10",
        case="a VMI_IRET whose frame cannot be returned to",
        text=(
            "Correct handling of IRETs that fault is listed as wanted and "
            "not finished."
        ),
        calls=("VMI_IRET",),
        readings={
            "at-call": (
                "The fault of the IRET is raised at the call, whose frame is "
                "still on the stack."
            ),
            "ends": "The hypervisor ends the guest.",
        },
    ),
    Gap(
        name="esp0_store",
        section=PRIVILEGE,
        case="whether the new stack pointer is stored in the TSS",
        text=(
            "VMI_UpdateKernelStack informs the hypervisor that ESP0 of the "
            "TSS was changed, and gets a pointer to the TSS. Whether the call "
            "itself stores the value there is not said."
        ),
        calls=("VMI_UpdateKernelStack",),
        readings={
            "stored": "The call stores the value in the TSS as well.",
            "told": "The guest has stored it before; the call does not.",
        },
    ),
    Gap(
        name="narrow_input",
        section=INPUT_OUTPUT,
        case="the rest of EAX after a byte or a word was read",
        text=(
            "VMI_INB and VMI_INW read into EAX with the effect of the native "
            "instruction, whose destination is AL or AX. Their prototypes "
            "return a byte or a word. What becomes of the other bits of EAX, "
            "which a dummy argument has filled, is not said."
        ),
        calls=("VMI_INB", "VMI_INW"),
        readings={
            "kept": "The other bits of EAX stay as they were.",
            "zero": "The other bits of EAX are cleared.",
        },
    ),
    Gap(
        name="iopl_mask_bits",
        section=INPUT_OUTPUT,
        case="bits of an IOPL mask outside IOPL",
        text=(
            "The mask of VMI_SetIOPLMask is an IOPL at its place in EFLAGS. "
            "What other bits in it do is not said."
        ),
        calls=("VMI_SetIOPLMask",),
        readings={
            "ignored": "Bits other than 0x3000 have no effect.",
            "fault": "A mask with other bits raises #GP.",
        },
    ),
    Gap(
        name="invalid_invd",
        section=INPUT_OUTPUT,
        case="what VMI_INVD does if it is used",
        text=(
            "VMI_INVD is deprecated and must not be executed in a virtual "
            "machine, but it has a number and a place in the ROM. What a "
            "guest meets that calls it is not said."
        ),
        calls=("VMI_INVD",),
        readings={
            "fault": "The call raises #UD.",
            "ignored": "The call returns and nothing happens.",
            "written-back": "The call does what VMI_WBINVD does.",
        },
    ),
    Gap(
        name="io_bitmap",
        section="RFC 2.5",
        case="the I/O permission bitmap of the guest's task-state segment",
        text=(
            "User programs get ports by the virtual IOPL. A processor also "
            "lets them use those that the bitmap of the TSS permits; the "
            "hypervisor runs with a TSS of its own, and whether it looks at "
            "the guest's is not said."
        ),
        calls=(),
        readings={
            "honoured": (
                "A port that the bitmap of the guest's TSS permits can be "
                "used by user code."
            ),
            "ignored": "Only the virtual IOPL permits ports to user code.",
        },
    ),
    Gap(
        name="apic_address",
        section="RFC Appendix A / APIC calls",
        case="an address that is not in the page of the local APIC",
        text=(
            "The calls take the address of a register, whose mapping has to "
            "start on a page boundary. What an address outside that mapping "
            "does is not said."
        ),
        calls=("VMI_APICRead", "VMI_APICWrite"),
        readings={
            "offset": "Only the low 12 bits of the address count.",
            "fault": "An address outside the page raises #GP.",
        },
    ),
    Gap(
        name="alarm_flags",
        section=TIMER,
        case="the format of an alarm's flags",
        text=(
            "The RFC marks the format of the flags as still to be defined; "
            "appendix B names a counter in bits 0 to 7, a mode in bit 8 and "
            "a wiring in bit 16. What the other bits do is not said."
        ),
        calls=("VMI_SetAlarm", "VMI_CancelAlarm"),
        readings={
            "ignored": "Bits that have no name have no effect.",
            "refused": "With such a bit set the call does nothing.",
        },
    ),
    Gap(
        name="alarm_irq0",
        section="RFC 2.12",
        case="an alarm wired to IRQ0 on another than the first processor",
        text=(
            "An alarm fires only on the processor that set it, as if it were "
            "attached to IRQ0. The interrupt controller passes IRQ0 on to "
            "the first processor. The wiring is marked as still to be "
            "defined."
        ),
        calls=("VMI_SetAlarm",),
        readings={
            "first": (
                "The interrupt goes where the controller passes IRQ0 on to."
            ),
            "own": (
                "The interrupt goes to the processor that set the alarm, "
                "with the vector of IRQ0."
            ),
        },
    ),
    Gap(
        name="wallclock_updated",
        section=TIMER,
        case="whose polling clears the answer of VMI_WallclockUpdated",
        text=(
            "The call answers whether wall clock and real time have drifted "
            "apart since it was last polled. Whether that is kept for the "
            "machine or for each of its processors is not said."
        ),
        calls=("VMI_WallclockUpdated",),
        readings={
            "machine": "Of all processors one gets the answer 1, once.",
            "processor": "Each processor gets the answer 1, once.",
        },
    ),
    Gap(
        name="mapping_slot",
        section="RFC Appendix A / MMU calls",
        case="a slot of the linear mapping other than 0 to 3",
        text=(
            "VMI_SetLinearMapping records a mapping in one of four slots. "
            "What a slot number beyond them does is not said."
        ),
        calls=("VMI_SetLinearMapping",),
        readings={
            "ignored": "With a slot that there is not the call does nothing.",
            "fault": "A slot that there is not raises #GP.",
        },
    ),
    Gap(
        name="uncovered_entry",
        section="RFC Appendix A / MMU calls",
        case="a page-table entry whose address no slot covers",
        text=(
            "The addresses used with the page-table calls have to be covered "
            "by the slots of VMI_SetLinearMapping, from which their physical "
            "address is computed. What a call does with another address is "
            "not said; the published code takes it for a physical one."
        ),
        calls=ACCESSORS,
        readings={
            "walked": (
                "The physical address of an entry is found through the page "
                "tables where no slot covers it."
            ),
            "identity": (
                "An address that no slot covers is taken for a physical one."
            ),
        },
    ),
    Gap(
        name="unregistered_page",
        section="RFC Appendix A / MMU calls (PTE accessors)",
        case="an entry in a page that was not registered",
        text=(
            "A page must be registered with the type of its use before its "
            "entries are accessed by call. What an access does before that "
            "is not said."
        ),
        calls=ACCESSORS,
        readings={
            "accepted": (
                "Entries of a page that was not registered are changed like "
                "others."
            ),
            "refused": (
                "Entries of a page that was not registered stay as they are."
            ),
        },
    ),
    Gap(
        name="unregistered_release",
        section="RFC Appendix A / MMU calls (PTE accessors)",
        case="the release of a page that was not registered as such",
        text=(
            "VMI_ReleasePage takes a page and types of tables. What it does "
            "with a type under which the page was not registered is not said."
        ),
        calls=("VMI_ReleasePage",),
        readings={
            "ignored": "Types that were not registered are ignored.",
            "fault": "A type that was not registered raises #GP.",
        },
    ),
    Gap(
        name="flush_type",
        section="RFC Appendix A / MMU calls",
        case="a flush without VMI_FLUSH_TLB",
        text=(
            "VMI_FLUSH_TLB has to be among the bits of every flush. What a "
            "flush without it does, with VMI_FLUSH_GLOBAL alone for instance, "
            "is not said."
        ),
        calls=("VMI_FlushTLB",),
        readings={
            "nothing": "A flush without VMI_FLUSH_TLB does nothing.",
            "flushed": "VMI_FLUSH_TLB is implied.",
        },
    ),
    Gap(
        name="entry_bit",
        section="RFC Appendix A / MMU calls (PTE accessors)",
        case="a bit number that an entry does not have",
        text=(
            "The calls that test and change one bit take its number. What a "
            "number from 32 on, or from 64 on in an entry of 8 bytes, means "
            "is not said; natively it is a bit of another entry."
        ),
        calls=(
            "VMI_TestAndSetPteBit",
            "VMI_TestAndClearPteBit",
            "VMI_TestAndSetPteBitLong",
            "VMI_TestAndClearPteBitLong",
        ),
        readings={
            "wraps": "Of the number only the part within the entry counts.",
            "reaches": "A number beyond the entry means one that follows it.",
        },
    ),
    Gap(
        name="clone_range",
        section="RFC Appendix A / MMU calls (PTE accessors)",
        case="a clone of entries that there are not",
        text=(
            "The clone calls take a range of entries of a template. What "
            "they do with a range that leaves the page, or with a template "
            "that was not registered, is not said."
        ),
        calls=(
            "VMI_ClonePageTable",
            "VMI_ClonePageDirectory",
            "VMI_AllocatePage",
        ),
        readings={
            "clipped": "Entries that there are not are left out.",
            "registered": (
                "The page is registered without a template in that case."
            ),
        },
    ),
    Gap(
        name="deferred_classes",
        section="RFC Appendix A / MMU calls (PTE accessors)",
        case="bits of a deferred mode that name no class",
        text=(
            "VMI_SetDeferredMode knows three classes of updates. What other "
            "bits do is not said."
        ),
        calls=("VMI_SetDeferredMode",),
        readings={
            "ignored": "Bits that name no class have no effect.",
            "fault": "A bit that names no class raises #GP.",
        },
    ),
    Gap(
        name="deferred_read",
        section="RFC Appendix A / MMU calls (PTE accessors)",
        case="a read of an entry whose update waits",
        text=(
            "In deferred mode an update of a page-table entry may wait. "
            "Whether the guest reads the old or the new entry meanwhile is "
            "not said."
        ),
        calls=("VMI_GetPxE", "VMI_GetPxELong"),
        readings={
            "made": "A read makes the updates that wait first.",
            "old": "A read shows the entry as it was before the update.",
        },
    ),
)

GAPS: Final[Mapping[str, Gap]] = MappingProxyType(
    {gap.name: gap for gap in _ALL}
)


def choose_or_raise(machine: Machine, policy: str) -> str:
    """Answer how a gap is read here.

    Raises
    ------
    Unspecified
        As long as no reading has been chosen.
    """
    reading = machine.board.host.choose(policy)
    if reading == UNSPECIFIED:
        gap = GAPS[policy]
        raise Unspecified(
            gap.clause, policy=policy, readings=tuple(gap.readings)
        )
    return reading
