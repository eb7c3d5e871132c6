"""The pair of 8259A: requests, priorities, ends, initialisation."""

import pytest

from app.sim.devices.pic import (
    Pic,
    acknowledge,
    build_pic,
    find_vector,
    get_requests,
    read_port,
    set_line,
    write_port,
)
from app.sim.errors import NotModelled


def raise_lines(pic: Pic, *lines: int) -> Pic:
    for line in lines:
        pic = set_line(set_line(pic, line, on=True), line, on=False)
    return pic


def initialise(pic: Pic, *, icw1: int = 0x11, icw4: int = 0x01) -> Pic:
    for port, base, wiring in ((0x20, 0x30, 4), (0xA0, 0x38, 2)):
        pic = write_port(pic, port, icw1)
        for word in (base, wiring, icw4):
            pic = write_port(pic, port + 1, word)
    return pic


def test_the_lowest_line_goes_first() -> None:
    """Line 0 has the highest priority, those of the second chip go by 2."""
    pic = raise_lines(build_pic(), 3, 12, 1)
    vectors = []
    for _ in range(3):
        pic, vector = acknowledge(pic)
        vectors.append(vector)
        pic = write_port(write_port(pic, 0xA0, 0x20), 0x20, 0x20)
    assert vectors == [0x21, 0x2C, 0x23]
    assert find_vector(pic) is None


def test_an_interrupt_in_service_holds_off_lower_ones() -> None:
    """Only a line of higher priority interrupts; EOI lets the others go."""
    pic, vector = acknowledge(raise_lines(build_pic(), 4))
    assert vector == 0x24
    assert find_vector(raise_lines(pic, 5)) is None
    assert find_vector(raise_lines(pic, 4)) is None
    assert find_vector(raise_lines(pic, 3)) == 0x23
    assert find_vector(write_port(raise_lines(pic, 5), 0x20, 0x20)) == 0x25


def test_a_specific_end_is_that_of_its_line() -> None:
    """OCW2 0x60 + n ends line n, whatever else is in service."""
    pic, _ = acknowledge(raise_lines(build_pic(), 4))
    pic, _ = acknowledge(raise_lines(pic, 1))
    assert pic.first.isr == 0b10010
    assert write_port(pic, 0x20, 0x64).first.isr == 0b10
    assert write_port(pic, 0x20, 0x20).first.isr == 0b10000


def test_the_end_of_the_second_chip_is_its_own() -> None:
    """An interrupt of line 8 to 15 has to be ended at both chips."""
    pic, vector = acknowledge(raise_lines(build_pic(), 8))
    assert vector == 0x28
    assert (pic.first.isr, pic.second.isr) == (4, 1)
    assert find_vector(write_port(raise_lines(pic, 9), 0x20, 0x20)) is None
    both = write_port(write_port(pic, 0x20, 0x20), 0xA0, 0x20)
    assert find_vector(raise_lines(both, 9)) == 0x29


def test_the_second_chip_asks_through_the_first_only_while_it_wants() -> None:
    """A request that is masked there, or forgotten, is not asked for."""
    pic = raise_lines(build_pic(), 9)
    assert find_vector(pic) == 0x29
    assert find_vector(write_port(pic, 0xA1, 0x02)) is None
    assert find_vector(write_port(pic, 0xA0, 0x11)) is None
    assert find_vector(write_port(pic, 0x21, 0x04)) is None


def test_a_higher_line_of_the_second_chip_waits_for_the_first() -> None:
    """The first chip has line 2 in service; without its end nothing comes."""
    pic, _ = acknowledge(raise_lines(build_pic(), 12))
    pic = raise_lines(pic, 8)
    assert find_vector(pic) is None
    assert find_vector(write_port(pic, 0x20, 0x20)) == 0x28


def test_a_masked_line_stays_requested() -> None:
    """The mask holds a request back and does not drop it."""
    pic = raise_lines(write_port(build_pic(), 0x21, 0xFE), 0, 1)
    assert find_vector(pic) == 0x20
    pic = write_port(pic, 0x21, 0x01)
    assert find_vector(pic) == 0x21
    assert get_requests(pic) == 0b11
    assert read_port(pic, 0x21) == (pic, 0x01)


def test_an_edge_is_used_up_and_a_level_is_not() -> None:
    """A held line asks again after EOI only if it is level-triggered."""
    edge = set_line(build_pic(), 5, on=True)
    edge = write_port(acknowledge(edge)[0], 0x20, 0x20)
    assert find_vector(edge) is None
    level = set_line(initialise(build_pic(), icw1=0x19), 5, on=True)
    level = write_port(acknowledge(level)[0], 0x20, 0x20)
    assert find_vector(level) == 0x35
    assert find_vector(set_line(level, 5, on=False)) is None


def test_the_edge_registers_choose_line_by_line() -> None:
    """Ports 0x4D0 and 0x4D1; timer, keyboard, cascade, clock stay edges."""
    pic = write_port(write_port(build_pic(), 0x4D0, 0xFF), 0x4D1, 0xFF)
    assert read_port(pic, 0x4D0)[1] == 0xF8
    assert read_port(pic, 0x4D1)[1] == 0xDE
    pic = set_line(set_line(pic, 5, on=True), 0, on=True)
    vectors = []
    for _ in range(3):
        pic, vector = acknowledge(pic)
        pic = write_port(pic, 0x20, 0x20)
        vectors.append(vector)
    assert vectors == [0x20, 0x25, 0x25]


def test_initialisation() -> None:
    """ICW1 forgets all, ICW2 is the base, then the mask is open."""
    pic = raise_lines(build_pic(mask=0xFFFF), 1)
    pic = initialise(pic)
    assert get_requests(pic) == 0
    assert find_vector(raise_lines(pic, 1)) == 0x31
    assert find_vector(raise_lines(pic, 9)) == 0x39
    assert read_port(pic, 0xA1) == (pic, 0)


def test_nothing_is_passed_on_during_initialisation() -> None:
    """A chip that waits for ICW2 has no vector to give."""
    pic = write_port(build_pic(), 0x20, 0x11)
    assert find_vector(raise_lines(pic, 1)) is None


def test_three_words_do_where_icw4_is_not_announced() -> None:
    """Without bit 0 of ICW1 the third word is the last."""
    pic = write_port(build_pic(), 0x20, 0x10)
    pic = write_port(write_port(pic, 0x21, 0x40), 0x21, 0x04)
    assert write_port(pic, 0x21, 0xFB).first.imr == 0xFB


def test_automatic_end() -> None:
    """With AEOI nothing stays in service."""
    pic, _ = acknowledge(raise_lines(initialise(build_pic(), icw4=3), 4))
    assert pic.first.isr == 0
    assert find_vector(raise_lines(pic, 5)) == 0x35


def test_ocw3_chooses_what_is_read() -> None:
    """0x0B shows what is in service, 0x0A what is requested."""
    pic, _ = acknowledge(raise_lines(build_pic(), 4))
    pic = raise_lines(pic, 6)
    assert read_port(pic, 0x20)[1] == 0b1000000
    pic = write_port(pic, 0x20, 0x0B)
    assert read_port(pic, 0x20)[1] == 0b10000
    pic = write_port(write_port(pic, 0x20, 0x08), 0x20, 0x0A)
    assert read_port(pic, 0x20)[1] == 0b1000000


def test_an_acknowledgement_without_request_is_spurious() -> None:
    """Line 7 answers, and nothing is in service."""
    pic, vector = acknowledge(build_pic())
    assert vector == 0x27
    assert pic.first.isr == 0


@pytest.mark.parametrize(
    ("port", "value"), [(0x20, 0x13), (0x20, 0x0C), (0x20, 0xA0), (0x20, 0)]
)
def test_what_is_not_modelled_says_so(port: int, value: int) -> None:
    """One chip alone, polling, rotation."""
    with pytest.raises(NotModelled, match=r"8259A|controller"):
        write_port(build_pic(), port, value)


def test_modes_other_than_8086_say_so() -> None:
    """ICW4 without 8086 mode, or nested or buffered."""
    for icw4 in (0x00, 0x11, 0x09):
        with pytest.raises(NotModelled, match="8086"):
            initialise(build_pic(), icw4=icw4)
