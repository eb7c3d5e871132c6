"""The words that the RFC lacks of ports, the local APIC and time."""

from typing import Final

from app.sim.gaps.gap import Gap

INPUT_OUTPUT: Final = "RFC Appendix A / I/O calls"
TIMER: Final = "RFC Appendix A / Timer calls"

DEVICES: Final = (
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
)
