"""The words that the RFC lacks of processors, descriptors and returns."""

from typing import Final

from app.sim.gaps.gap import Gap

CPU_CONTROL: Final = "RFC Appendix A / CPU control calls"
PRIVILEGE: Final = "RFC Appendix A / Stack / privilege transition calls"
STATE: Final = "RFC Appendix A / Processor state calls"

PROCESSOR: Final = (
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
)
