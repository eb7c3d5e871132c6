"""The section [rom]: which ROMs a hypervisor has."""

import pytest

from app.sim import ScenarioError, parse_scenario
from app.sim.rom import Rom
from app.sim.scenario import Scenario


def _parse(rest: str) -> Scenario:
    text = (
        "question = '?'\n[code]\nkernel = 'hlt'\n"
        f"[outcomes]\nit = {{ is = 'halted' }}\n{rest}"
    )
    return parse_scenario(text, slug="test")


def test_without_the_section_there_is_one() -> None:
    """Of revision 13.0, at C8000h."""
    assert _parse("").start.roms == (Rom(),)


def test_an_empty_section_means_none() -> None:
    """A hypervisor without a ROM."""
    assert _parse("[rom]").start.roms == ()


def test_several_roms() -> None:
    """Each by a name, with place, revision, length and checksum."""
    scenario = _parse(
        "[rom.new]\nrevision = '13.2'\nchecksum = false\nunits = 6\n"
        "[rom.old]\nat = 0xd0000\nrevision = '12.0'\n"
    )
    assert scenario.start.roms == (
        Rom(minor=2, checksum=False, units=6),
        Rom(at=0xD0000, major=12),
    )


def test_a_variant_may_have_other_roms() -> None:
    """Its section goes in place of the scenario's, which is kept else."""
    scenario = _parse(
        "[rom.one]\nrevision = '13.1'\n"
        "[variants.other]\nplatform = 'software'\n"
        "rom = { one = { revision = '12.0' } }\n"
        "[variants.same]\nplatform = 'software'\nstart = { tsc = 1 }\n"
    )
    other, same = scenario.variants
    assert other.start is not None
    assert other.start.roms == (Rom(major=12),)
    assert same.start is not None
    assert same.start.roms == scenario.start.roms == (Rom(minor=1),)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("[rom.one]\nat = 0xc8001", "multiple of 2 KiB"),
        ("[rom.one]\nat = 0xe0000", "from 786432 to"),
        ("[rom.one]\nat = 0xdf800", "from 786432 to"),
        ("[rom.one]\nrevision = '13'", "two bytes"),
        ("[rom.one]\nrevision = '13.256'", "two bytes"),
        ("[rom.one]\nrevision = 13.0", "this is no text"),
        ("[rom.one]\nchecksum = 1", "true or false"),
        ("[rom.one]\nunits = 128", "from 1 to 127"),
        ("[rom.one]\nsum = 1", "'sum' is unknown"),
        ("[rom.one]\n[rom.two]\nat = 0xc8800", "overlap"),
        ("[rom]\none = 1", "a table"),
        ("".join(f"[rom.r{n}]\n" for n in range(5)), "too many ROMs"),
    ],
)
def test_a_rom_that_cannot_be(rest: str, words: str) -> None:
    """An error says what does not fit, and where."""
    with pytest.raises(ScenarioError, match=words) as caught:
        _parse(rest)
    assert caught.value.line > 1
