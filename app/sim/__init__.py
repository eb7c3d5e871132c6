"""The simulator: the semantics of the VMI calls, made executable.

A library of its own: `parse_scenario` reads a question, `explore` answers it
with a `Report`. It imports the standard library and itself.
"""

from app.sim.calls import apic as apic_calls
from app.sim.calls import (
    core,
    cpu_control,
    descriptor,
    io,
    mmu,
    mmu_entries,
    mmu_patch,
    privilege,
    processor_information,
    processor_state,
    string_io,
    timer,
)
from app.sim.diet import Diet, compute_diet
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.explore import (
    Progress,
    compute_report_id,
    explore,
    require_known,
)
from app.sim.gaps import GAPS, Gap
from app.sim.instructions import (
    bits,
    branch,
    control,
    coprocessor,
    descriptors,
    integer,
    multiply,
    ports,
    strings,
    system,
    transfer,
    translation,
)
from app.sim.model import MODEL
from app.sim.observables import OBSERVABLES
from app.sim.platforms import PLATFORMS, Platform
from app.sim.policies import POLICIES, Policy
from app.sim.product import PlatformProduct, explore_product
from app.sim.readings import Consequence, find_consequences
from app.sim.registry import CALLS, INSTRUCTIONS, CallSpec, InstructionSpec
from app.sim.report import Answer, PlatformReport, Report, WitnessStep
from app.sim.scenario import Scenario, check_scenario, parse_scenario
from app.sim.search import Limits
from app.sim.toml_places import ScenarioError

GROUP_MODULES = (
    core,
    processor_state,
    descriptor,
    cpu_control,
    processor_information,
    privilege,
    io,
    string_io,
    apic_calls,
    timer,
    *(mmu, mmu_entries, mmu_patch),
)
"""The modules of calls, in the RFC's order of groups."""

FAMILY_MODULES = (
    *(integer, multiply, transfer, branch, bits, strings),
    *(coprocessor, system, control, descriptors, translation),
    ports,
)
"""The modules of instructions."""

__all__ = [
    "CALLS",
    "FAMILY_MODULES",
    "GAPS",
    "GROUP_MODULES",
    "INSTRUCTIONS",
    "MODEL",
    "OBSERVABLES",
    "PLATFORMS",
    "POLICIES",
    "Answer",
    "CallSpec",
    "Consequence",
    "Diet",
    "Gap",
    "GuestFault",
    "InstructionSpec",
    "Limits",
    "NotModelled",
    "Platform",
    "PlatformProduct",
    "PlatformReport",
    "Policy",
    "Progress",
    "Report",
    "Scenario",
    "ScenarioError",
    "Unspecified",
    "WitnessStep",
    "check_scenario",
    "compute_diet",
    "compute_report_id",
    "explore",
    "explore_product",
    "find_consequences",
    "parse_scenario",
    "require_known",
]
