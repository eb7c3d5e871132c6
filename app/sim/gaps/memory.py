"""The words that the RFC lacks of the page tables and their queue."""

from typing import Final

from app.sim.gaps.gap import Gap

MMU: Final = "RFC Appendix A / MMU calls"
ENTRIES: Final = "RFC Appendix A / MMU calls (PTE accessors)"

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

MEMORY: Final = (
    Gap(
        name="mapping_slot",
        section=MMU,
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
        section=MMU,
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
        section=ENTRIES,
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
        section=ENTRIES,
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
        section=MMU,
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
        section=ENTRIES,
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
        section=ENTRIES,
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
        section=ENTRIES,
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
        section=ENTRIES,
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
