"""Where things lie in the guest's linear address space.

The kernel and its stack lie where Linux 2.6 on i386 has them, above 3 GiB;
the ROM is seen at the kernel's mapping of physical C8000h.
"""

from typing import Final

KERNEL_BASE: Final = 0xC010_0000
HANDLER_BASE: Final = 0xC011_0000
HANDLER_SPACE: Final = 0x2000
USER_BASE: Final = 0x0804_8000
DATA_BASE: Final = 0xC040_0000
KERNEL_STACK_TOP: Final = 0xC050_0000
USER_STACK_TOP: Final = 0xBFFF_0000
ROM_BASE: Final = 0xC00C_8000
