"""The ROM's layout: numbers, entry points, header (RFC 4.3)."""

from pathlib import Path

import yaml

from app.sim.layout import ROM_BASE
from app.sim.rom import NUMBERS, build_header, compute_entry_point, get_slot

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
    assert get_slot(ROM_BASE + 0x5E0) == 47
    assert get_slot(ROM_BASE + 0x5E1) == 0
    assert get_slot(ROM_BASE + 0x60) == 0
    assert get_slot(ROM_BASE + 0x80) == 4
    assert get_slot(ROM_BASE + 32 * 128) == 0
    assert get_slot(ROM_BASE - 32) == 0


def test_the_header() -> None:
    """Signatures, length and API revision stand where RFC 4.3 puts them."""
    header = build_header()
    assert len(header) == 128
    assert header[:2] == b"\x55\xaa"
    assert header[2] * 512 == 128 * 32
    assert header[8:12] == b"cVmi"
    assert (header[0x0D], header[0x0C]) == (13, 0)
