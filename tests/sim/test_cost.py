"""Costs: the table refuses what it must, and charges what it says."""

import pytest

from app.config import ROOT
from app.sim import INSTRUCTIONS, PLATFORMS
from app.sim.cost import (
    LARGEST,
    WAYS,
    CostError,
    CostTable,
    Doing,
    parse_costs,
)

CORPUS = ROOT / "app" / "corpus" / "vmi" / "costs.toml"
SMALL = """
[sources]
book = "A book, 2006"
[classes.integer]
families = ["integer"]
native = { cycles = 1, source = "book" }
[classes.call]
instructions = ["call", "ret"]
native = { cycles = 6, assumed = true }
[classes.rom]
native = { cycles = 4, assumed = true }
[classes.hypercall]
native = { cycles = 0, assumed = true }
software = { cycles = 500, assumed = true, note = "as a system call" }
[classes.trap]
native = { cycles = 0, assumed = true }
software = { cycles = 889, source = "book" }
[classes.emulation]
native = { cycles = 0, assumed = true }
software = { cycles = 1500, assumed = true }
[classes.exception]
native = { cycles = 639, assumed = true }
[classes.delivery]
native = { cycles = 600, assumed = true }
[classes.arrival]
native = { cycles = 0, assumed = true }
[classes.system]
native = { cycles = 100, assumed = true }
[classes.halt]
instructions = ["hlt"]
native = { cycles = 50, assumed = true }
software = { cycles = 70, assumed = true }
"""


@pytest.fixture(scope="module")
def table() -> CostTable:
    """Return the table of the corpus."""
    return parse_costs(CORPUS.read_text())


def test_every_figure_has_a_source_or_is_assumed(table: CostTable) -> None:
    """No number of the corpus stands there without saying whence."""
    for each in table.classes.values():
        assert each.title
        for figure in each.figures.values():
            assert figure.assumed == (figure.source == "")
            assert figure.assumed or figure.source in table.sources.values()
        assert set(each.figures) <= set(PLATFORMS) | {"translator"}


def test_every_instruction_has_a_class(table: CostTable) -> None:
    """What the simulator executes is in a class by name or family."""
    for name, spec in INSTRUCTIONS.items():
        family = spec.module.rpartition(".")[2]
        assert name in table.instructions or family in table.families, name


def test_every_way_has_its_classes(table: CostTable) -> None:
    """A step that no processor executes is charged with known classes."""
    for names in (*WAYS.values(), ("exception",)):
        assert set(names) <= set(table.classes)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mov dword ptr [work], 1", "integer"),
        ("mov eax, ds:[4]", "integer"),
        ("mov ds, ax", "segment"),
        ("mov cr3, eax", "control"),
        ("mov eax, dr7", "control"),
        ("push fs", "segment"),
        ("sti (call VMI_EnableInterrupts)", "flag"),
        ("lock xadd [a], eax", "locked"),
        ("lock bts dword ptr [edx], eax", "locked"),
        ("rep movsd", "string"),
        ("pushfd", "flags"),
        ("iretd", "return"),
        ("ret 4", "call"),
        ("jne busy", "branch"),
        ("in al, dx", "port"),
        ("frobnicate eax", "system"),
        ("", "system"),
    ],
)
def test_an_instruction_is_classified_by_its_text(
    table: CostTable, text: str, name: str
) -> None:
    """A step's text is enough to find its class."""
    assert table.classify(text) == name


@pytest.mark.parametrize(
    ("platform", "doing", "cycles"),
    [
        ("native", Doing("add eax, 1", "step", "instruction"), 1),
        ("software", Doing("add eax, 1", "step", "instruction"), 1),
        ("software", Doing("sti", "step", "trap"), 2389),
        ("software", Doing("hlt", "step", "trap"), 70),
        ("native", Doing("hlt", "step", "trap"), 0),
        ("software", Doing("call VMI_STI", "step", "rom"), 16),
        ("software", Doing("call VMI_CPUID", "step", "hypercall"), 516),
        ("native", Doing("mov eax, [0]: #GP(0x0)", "step", "delivery"), 639),
        ("native", Doing("delivery of irq0", "delivery", "delivery"), 600),
        ("native", Doing("arrival of irq0", "arrival", "arrival"), 0),
        ("native", Doing("(1000 transitions)", "step", ""), None),
        ("native", Doing("call VMI_Lost", "step", ""), 0),
    ],
)
def test_a_step_is_charged_with_the_sum_of_its_classes(
    platform: str, doing: Doing, cycles: int | None
) -> None:
    """A trap costs the trap and the emulation, a call its way and back."""
    charge = parse_costs(SMALL).charge(platform, doing)
    assert charge.cycles == cycles
    assert sum(each for _, each in charge.parts) == (cycles or 0)


def test_a_figure_of_the_base_stands_for_platforms_without() -> None:
    """What a platform has no figure of its own for costs as natively."""
    table = parse_costs(SMALL).change({("integer", "native"): 3})
    own, taken = (
        table.classes["integer"].get("native"),
        table.classes["integer"].get("hardware"),
    )
    assert (own.cycles, own.own, own.changed) == (3, True, True)
    assert (taken.cycles, taken.own, taken.changed) == (3, False, True)


def test_a_change_leaves_the_table_as_it_was() -> None:
    """A reader's figure is in the reader's table only."""
    table = parse_costs(SMALL)
    changed = table.change({("trap", "software"): 7})
    assert changed.classes["trap"].get("software").cycles == 7
    assert table.classes["trap"].get("software").cycles == 889
    with pytest.raises(KeyError):
        table.change({("trip", "software"): 7})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[classes", "Expected"),
        ("[classes.a]\nsoftware = { cycles = 1, assumed = true }", "native"),
        ("[classes.a]\nnative = { cycles = 1 }", "source or be assumed"),
        (
            (
                "[sources]\nb = 'B'\n[classes.a]\n"
                "native = { cycles = 1, source = 'b', assumed = true }"
            ),
            "not both",
        ),
        ("[classes.a]\nnative = { cycles = 1, source = 'x' }", "no source"),
        ("[classes.a]\nnative = { assumed = true }", "no cycles"),
        ("[classes.a]\nnative = 4", "no cycles"),
        (
            (
                f"[classes.a]\nnative = {{ cycles = {LARGEST + 1}, "
                "assumed = true }"
            ),
            "from 0 to",
        ),
        (
            "[classes.a]\nnative = { cycles = -1, assumed = true }",
            "from 0 to",
        ),
        (
            (
                "[classes.a]\ninstructions = ['cli']\n"
                "native = { cycles = 1, assumed = true }\n"
                "[classes.b]\ninstructions = ['cli']\n"
                "native = { cycles = 1, assumed = true }"
            ),
            "'cli' is in 'a' and in 'b'",
        ),
    ],
)
def test_a_wrong_table_is_refused(text: str, message: str) -> None:
    """What is no table of costs is refused with its place."""
    with pytest.raises(CostError, match=message):
        parse_costs(text)
