"""Each platform treats each sensitive instruction in one of six ways."""

import pytest

from app.sim import INSTRUCTIONS, PLATFORMS, Platform
from app.sim.treatment import (
    TREATMENTS,
    Treatment,
    get_treatment,
    list_sensitive,
)


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_every_treatment_has_a_meaning(platform: Platform) -> None:
    """Whatever the semantics declare can be told."""
    for spec in INSTRUCTIONS.values():
        assert get_treatment(platform, spec) in TREATMENTS


def test_a_kernel_outside_ring_0_meets_what_appendix_c_lists() -> None:
    """Without VMX/SVM some trap, some lie and some show the machine."""
    software = PLATFORMS["software"]
    treatments = {
        spec.name: get_treatment(software, spec) for spec in list_sensitive()
    }
    assert treatments["sti"] is Treatment.traps
    assert treatments["iret"] is Treatment.silent
    assert treatments["pushf"] is Treatment.reveals
    assert Treatment.as_is not in treatments.values()


def test_with_a_ring_of_its_own_a_kernel_meets_little() -> None:
    """What the processor intercepts is taken, the rest is as it is."""
    hardware = PLATFORMS["hardware"]
    assert get_treatment(hardware, INSTRUCTIONS["rdmsr"]) is Treatment.taken
    assert get_treatment(hardware, INSTRUCTIONS["popf"]) is Treatment.as_is
    native = PLATFORMS["native"]
    found = {get_treatment(native, spec) for spec in INSTRUCTIONS.values()}
    assert found == {Treatment.as_is}
