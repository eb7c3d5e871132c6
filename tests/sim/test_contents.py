"""The data of listings in memory."""

from app.sim.layout import LISTING_DATA_BASE, PAGE_OFFSET, USER_CODE_FRAMES
from app.sim.machine import get_register
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

PHYSICAL = LISTING_DATA_BASE - PAGE_OFFSET


def test_data_of_a_listing_lies_in_memory() -> None:
    """Code reads it by its labels, and writes it."""
    machine = build(
        "mov eax, [second]\nadd byte ptr first+1, 5\n"
        ".data\nfirst: .byte 1, 2, 3\n.align 4\nsecond: .long first"
    )
    assert machine.board.image[PHYSICAL] == 0x030201
    assert machine.board.image[PHYSICAL + 4] == LISTING_DATA_BASE
    machine = step(machine, 2)
    assert get_vcpu(machine).eax == LISTING_DATA_BASE
    assert machine.memory == ((PHYSICAL, 0x030701),)


def test_data_of_the_user_lies_in_its_frames() -> None:
    """It is not where the kernel's is."""
    machine = build(
        user='movzx eax, byte ptr [letter]\n.data\nletter: .ascii "A"',
        start=Start(user=True),
    )
    assert any(
        address >= USER_CODE_FRAMES and word == ord("A")
        for address, word in machine.board.image.items()
    )
    assert get_register(step(machine), 0, "al") == ord("A")
