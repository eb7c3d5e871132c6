"""Where things lie in the guest's memory, by linear and physical address.

The kernel and its stack lie where Linux 2.6 on i386 has them, above 3 GiB:
what lies at a physical address is seen by the kernel `PAGE_OFFSET` above it.
The ROM is at physical C8000h. User code and user stacks have frames of their
own. The kernel stacks of further processors lie `STACK_STRIDE` above each
other, their user stacks as far below. Where there is no paging, the addresses
from `DEVICES_BASE` on are physical ones.
"""

from typing import Final

PAGE_OFFSET: Final = 0xC000_0000
KERNEL_BASE: Final = 0xC010_0000
HANDLER_BASE: Final = 0xC011_0000
HANDLER_SPACE: Final = 0x8000
USER_BASE: Final = 0x0804_8000
USER_DATA_BASE: Final = 0x0808_0000
"""Where the sections of data of user listings begin."""
DATA_BASE: Final = 0xC040_0000
LISTING_DATA_BASE: Final = 0xC044_0000
"""Where the sections of data of all other listings begin."""
KERNEL_STACK_TOP: Final = 0xC050_0000
USER_STACK_TOP: Final = 0xBFFF_0000
STACK_STRIDE: Final = 0x1_0000
ROM_BASE: Final = 0xC00C_8000
ROM_AREA: Final = 0xC00C_0000
"""Where ROMs are looked for, up to physical DFFFFh."""
DESCRIPTORS_BASE: Final = 0xC080_0000
"""GDT, LDT, IDT and TSS of all processors."""
PAGE_TABLES_BASE: Final = 0xC0A0_0000
FRAMES_BASE: Final = 0xC100_0000
"""Frames that a question names as pages of its own."""
MEMORY_END: Final = 0x0200_0000
"""The physical address behind the last word of memory."""
DEVICES_BASE: Final = 0xF800_0000

USER_CODE_FRAMES: Final = 0x0060_0000
USER_STACK_FRAMES_END: Final = 0x0080_0000
"""Physical address of the top of the first processor's user stack."""
USER_SPACE: Final = 0x10_0000
"""How much of the user's code, and of its stacks, is mapped."""

REGIONS: Final = (
    (LISTING_DATA_BASE - PAGE_OFFSET, 0x4F_0000),
    (USER_DATA_BASE - USER_BASE + USER_CODE_FRAMES, 0x70_0000),
    (USER_STACK_FRAMES_END, MEMORY_END),
)
"""The physical ranges of memory beside code, data words, stacks and ROM."""


def get_kernel_stack_top(cpu: int) -> int:
    """Answer the linear address at which a kernel stack begins."""
    return KERNEL_STACK_TOP + cpu * STACK_STRIDE


def get_user_stack_top(cpu: int) -> int:
    """Answer the linear address at which a user stack begins."""
    return USER_STACK_TOP - cpu * STACK_STRIDE
