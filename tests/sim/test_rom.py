"""The ROM's layout: numbers, entry points, header (RFC 4.3)."""

from pathlib import Path

import pytest
import yaml

from app.sim.layout import ROM_BASE
from app.sim.platforms import PLATFORMS
from app.sim.rom import (
    NUMBERS,
    Rom,
    build_area,
    build_header,
    build_rom,
    compute_entry_point,
    list_slots,
)
from tests.sim.guest import build, get_vcpu, step

CORPUS = Path(__file__).resolve().parents[2] / "app/corpus/vmi/calls.yaml"


def test_numbers_are_those_of_the_records() -> None:
    """API revision 13.0 numbers the calls without a hole from 4 on."""
    content = yaml.safe_load(CORPUS.read_text(encoding="utf-8"))
    numbers = {
        record["name"]: record["abi_number"]["rfc_patch_13_0"]
        for record in content["calls"]
        if record["abi_number"]
        and record["abi_number"]["rfc_patch_13_0"] is not None
    }
    assert numbers == NUMBERS
    assert sorted(NUMBERS.values()) == list(range(4, 4 + len(NUMBERS)))


def test_the_entry_point_of_swap_pte() -> None:
    """A published ROM listing shows the stub of call 47 at 5E0h."""
    assert compute_entry_point(NUMBERS["VMI_SwapPte"]) == ROM_BASE + 0x5E0


def test_slots_are_found_by_their_first_byte() -> None:
    """Only the first byte of a slot is an entry; 0 to 3 are the header."""
    slots = list_slots((Rom(),))
    assert slots[ROM_BASE + 0x5E0] == 47
    assert slots[ROM_BASE + 0x80] == 4
    assert min(slots) == ROM_BASE + 0x80
    assert max(slots) == ROM_BASE + 32 * 127
    assert all((address - ROM_BASE) % 32 == 0 for address in slots)


def test_each_rom_has_slots_of_its_own() -> None:
    """Those of another major revision are not known."""
    other = Rom(at=0xD0000)
    slots = list_slots((Rom(), other, Rom(at=0xD8000, major=12)))
    assert len(slots) == 2 * 124
    assert slots[0xC00D_0000 + 32 * 47] == 47
    assert compute_entry_point(47, other) == 0xC00D_05E0


def test_the_header() -> None:
    """Signatures, length and API revision stand where RFC 4.3 puts them."""
    header = build_header(Rom(major=13, minor=2))
    assert len(header) == 128
    assert header[:2] == b"\x55\xaa"
    assert header[2] * 512 == 128 * 32
    assert header[8:12] == b"cVmi"
    assert (header[0x0D], header[0x0C]) == (13, 2)


@pytest.mark.parametrize("units", [1, 6, 8, 127])
def test_the_sum_of_all_bytes(units: int) -> None:
    """RFC 4.2: it is 0 in a ROM, and is not where a question spoils it."""
    good = build_rom(Rom(units=units))
    bad = build_rom(Rom(units=units, checksum=False))
    assert len(good) == len(bad) == units * 512
    assert sum(good) % 256 == 0
    assert sum(bad) % 256 == 1


def test_each_slot_has_its_own_code() -> None:
    """32 bytes that no other call has."""
    content = build_rom(Rom())
    slots = {content[32 * n : 32 * n + 32] for n in NUMBERS.values()}
    assert len(slots) == len(NUMBERS)
    assert content[32 * 47 : 32 * 47 + 6] == b"\x0f\x0b\x2f\0\0\0"


def test_where_there_is_no_rom_nothing_answers() -> None:
    """The area reads as FFh but for the ROMs in it."""
    area = build_area((Rom(),))
    assert len(area) == 0x2_0000
    assert area[:0x8000] == b"\xff" * 0x8000
    assert area[0x8000 : 0x8000 + 4096] == build_rom(Rom())
    assert set(build_area(())) == {0xFF}


def test_the_guest_sees_the_rom_of_a_hypervisor() -> None:
    """On bare hardware there is none."""
    code = "mov eax, [0xc00c8008]"
    for platform in PLATFORMS:
        vcpu = get_vcpu(step(build(code, platform=platform)))
        there = platform != "native"
        assert vcpu.eax == (0x696D_5663 if there else 0xFFFF_FFFF)
