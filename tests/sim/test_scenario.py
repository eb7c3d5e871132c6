"""Scenario files: what they say, and what is refused where."""

import pickle
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.explore import explore
from app.sim.layout import (
    DATA_BASE,
    HANDLER_BASE,
    HANDLER_SPACE,
    KERNEL_BASE,
    USER_BASE,
)
from app.sim.listing import SLOT
from app.sim.machine import ZF
from app.sim.scenario import (
    MAXIMUM_ERRORS,
    Scenario,
    check_scenario,
    parse_scenario,
)
from app.sim.start import FREQUENCY, Event, Start
from app.sim.toml_places import ScenarioError

CORPUS = Path(__file__).parents[2] / "app" / "corpus" / "vmi" / "scenarios"

SMALL = """question = "Does it stop?"
[code]
kernel = '''
idle:   cmp     dword ptr [work], 0
        call    VMI_Halt
        jmp     idle
'''
irq0 = "call VMI_IRET"
[data]
work = 0
[events]
irq0 = 1
[outcomes]
sleeps = { when = "end", is = "halted and work == 0" }
"""

WHOLE = """
question = "What is read?"
about = ["VMI_Halt", "VMI_SwapPte"]
objection = "some-objection"
notes = "Because."
[code]
kernel = "entry: hlt\\nother: jmp entry"
user = "jmp user"
nmi = "call VMI_IRET"
gp = "jmp gp"
[data]
first = 1
second = -1
[start]
at = "other"
paravirtual = false
interrupts = false
halted = true
nmi_blocked = true
pending = ["nmi", "irq3"]
registers = { eax = -2, esi = 0xffff_ffff }
flags = { zf = true, cf = false }
iopl = 3
cr4 = ["tsd", "pce"]
pmcs = [5, 6]
tsc = 0xffffffffffffffff
real = 1
stolen = 2
wallclock = 3
frequency = 4
cycles_per_step = 5
suspend_seconds = 6
steal_cycles = 7
[start.msrs]
0x10 = { value = 9, hypervisor = true }
17 = { key = { register = "edi", value = -1 } }
[start.cpuid]
1 = { eax = 1, ebx = 2, ecx = 3, edx = 4 }
0x80000001 = { edx = 8 }
[start.cpuid_clear]
1 = { edx = 4 }
[events]
nmi = { budget = 2, must = true }
irq3 = { budget = 1 }
suspend = 4
[outcomes.one-two]
is = "at entry and pending irq3 or msr 0x10 == 9"
[outcomes.three]
when = "end"
is = '''
not halted
'''
text = "it goes on"
[platforms]
software = { policies = { nmi = "delivered" } }
native = {}
[policies]
tsc = "trap"
[variants.plain]
platform = "hardware"
[variants.changed]
platform = "software"
title = "Changed"
policies = { cpuid_mask = "off" }
events = { irq0 = 1 }
start = { at = "user", mode = "user", registers = { ebx = 1 }, tsc = 1 }
expect = { three = "unspecified" }
[expect]
software = { one-two = "always", three = "not-modelled" }
"""


def parse(text: str) -> Scenario:
    return parse_scenario(text, slug="a-question")


def refuse(text: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        parse(text)
    return caught.value


@pytest.fixture(scope="module")
def whole() -> Scenario:
    return parse(WHOLE)


def test_a_small_scenario_has_usual_values() -> None:
    """What is not said is as it mostly is."""
    scenario = parse(SMALL)
    assert scenario.slug == "a-question"
    assert scenario.about == ()
    assert scenario.objection is None
    assert scenario.notes == ""
    assert scenario.text == SMALL
    assert scenario.start == Start(entry=KERNEL_BASE, interrupts=True)
    assert scenario.start.frequency == FREQUENCY
    assert scenario.start.paravirtual
    assert scenario.platforms == (
        "native",
        "software",
        "hardware",
        "translator",
    )
    assert scenario.events == (Event("irq0", budget=1, must=False),)
    assert scenario.outcomes[0].phrase == "sleeps"
    assert (scenario.policies, scenario.variants) == ({}, ())
    assert scenario.expect == {}


def test_all_that_is_said_is_read(whole: Scenario) -> None:
    """Each key of the top level arrives."""
    assert whole.question == "What is read?"
    assert whole.about == ("VMI_Halt", "VMI_SwapPte")
    assert whole.objection == "some-objection"
    assert whole.notes == "Because."
    assert whole.data == (("first", 1), ("second", 0xFFFF_FFFF))
    assert whole.events == (
        Event("nmi", budget=2, must=True),
        Event("irq3", budget=1, must=False),
        Event("suspend", budget=4, must=False),
    )
    assert whole.platforms == ("software", "native")
    assert whole.platform_policies == {
        "software": {"nmi": "delivered"},
        "native": {},
    }
    assert whole.policies == {"tsc": "trap"}
    assert whole.expect == {
        "software": {"one-two": "always", "three": "not-modelled"}
    }


def test_the_start_is_read(whole: Scenario) -> None:
    """Each key of [start] arrives."""
    assert whole.start == Start(
        registers=(("eax", 0xFFFF_FFFE), ("esi", 0xFFFF_FFFF)),
        flags=ZF | 0x3000,
        interrupts=False,
        entry=KERNEL_BASE + SLOT,
        halted=True,
        paravirtual=False,
        pending=("nmi", "irq3"),
        nmi_blocked=True,
        cr4=0x104,
        msrs=((0x10, 9), (17, 0)),
        hypervisor_msrs=(0x10,),
        keys=((17, "edi", 0xFFFF_FFFF),),
        cpuid=((1, (1, 2, 3, 4)), (0x8000_0001, (0, 0, 0, 8))),
        cpuid_clear=((1, (0, 0, 0, 4)),),
        pmcs=(5, 6),
        tsc=0xFFFF_FFFF_FFFF_FFFF,
        real=1,
        stolen=2,
        wallclock=3,
        frequency=4,
        cycles_per_step=5,
        suspend_seconds=6,
        steal_cycles=7,
    )


def test_variants_change_what_they_say(whole: Scenario) -> None:
    """The keys of a variant's start go over those of the scenario's."""
    plain, changed = whole.variants
    assert (plain.title, plain.start, plain.events) == ("plain", None, None)
    assert changed.platform == "software"
    assert changed.title == "Changed"
    assert changed.policies == {"cpuid_mask": "off"}
    assert changed.events == (Event("irq0", budget=1, must=False),)
    assert changed.expect == {"three": "unspecified"}
    assert changed.start is not None
    assert changed.start.entry == USER_BASE
    assert changed.start.user
    assert changed.start.registers == (("ebx", 1),)
    assert changed.start.tsc == 1
    assert changed.start.cr4 == whole.start.cr4
    assert changed.start.halted


def test_listings_and_words_have_places(whole: Scenario) -> None:
    """Kernel, user and handlers lie apart; labels lead there."""
    assert whole.labels == {
        "kernel": KERNEL_BASE,
        "entry": KERNEL_BASE,
        "other": KERNEL_BASE + SLOT,
        "user": USER_BASE,
        "nmi": HANDLER_BASE,
        "gp": HANDLER_BASE + HANDLER_SPACE,
    }
    assert list(whole.listings) == ["kernel", "user", "nmi", "gp"]
    small = parse(SMALL)
    assert small.code[0].statements[0].operands[0][-1] == DATA_BASE


def test_outcomes_are_read(whole: Scenario) -> None:
    first, second = whole.outcomes
    assert (first.name, first.when) == ("one-two", "reached")
    assert first.phrase == "one two"
    assert (second.when, second.phrase) == ("end", "it goes on")
    assert second.text == "not halted\n"


def test_scenarios_can_be_pickled(whole: Scenario) -> None:
    assert pickle.loads(pickle.dumps(whole)) == whole  # noqa: S301


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "expected"),
    [
        ("question", "qestion", 1, 1, "'question'"),
        ('question = "Does it stop?"\n', "", 1, 1, "'question'"),
        ('"Does it stop?"', "4", 1, 12, "a text in quotes"),
        ('"Does it stop?"', '" "', 1, 12, "a text in quotes"),
        ('"Does it stop?"', f'"{"x" * 501}"', 1, 12, "at most 500"),
        ("[code]", "[coda]", 2, 2, "'code'"),
        ("kernel", "kernle", 3, 1, "'kernel'"),
        ('irq0 = "call', 'irq16 = "call', 8, 1, "'irq6'"),
        ("dword ptr [work]", "dword ptr [wrok]", 4, 28, "'work'"),
        ("call    VMI_Halt", "call    VMI_Hlat", 5, 17, "'VMI_Halt'"),
        ("jmp     idle", "jmmp    idle", 6, 9, "'jmp'"),
        ('"call VMI_IRET"', '"call\\tVMI_IRTE"', 8, 15, "'VMI_IRET'"),
        ('"Does it stop?"', '""', 1, 12, "a text in quotes"),
        ("[code]", "objection = 'A b'\n[code]", 2, 13, "lower-case"),
        ("work = 0", "work = 4294967296", 10, 8, "4294967295"),
        ("work = 0", "work = 0.5", 10, 8, "a whole number"),
        ("work = 0", "work = true", 10, 8, "a whole number"),
        ("work = 0", "work = 0\neax = 1", 11, 1, "no register"),
        ("work = 0", "work = 0\nhalted = 1", 11, 1, "outcomes"),
        ("work = 0", "work = 0\npending = 1", 11, 1, "outcomes"),
        ("work = 0", "work = 0\nirq0 = 1", 11, 1, "another name"),
        ("work = 0", "work = 0\nidle = 1", 4, 1, "a name of its own"),
        ("irq0 = 1", "irq0 = 0", 12, 8, "from 1 to 1000"),
        ("irq0 = 1", "irq99 = 1", 12, 1, "'irq9'"),
        ("irq0 = 1", "irq0 = { must = true }", 12, 1, "'budget'"),
        ("irq0 = 1", "irq0 = { budget = 1, must = 1 }", 12, 29, "true or"),
        ("irq0 = 1", "irq0 = { budget = 1, msut = 1 }", 12, 22, "'must'"),
        ('"end"', '"ended"', 14, 19, "'end'"),
        ("halted and", "hlated and", 14, 32, "'halted'"),
        ("work == 0", "work === 0", 14, 50, "a name, a number"),
        ("sleeps =", "Sleeps =", 14, 1, "lower-case"),
        ("sleeps = ", "sleeps = 1 # ", 14, 10, "a table"),
        ("is =", "iss =", 14, 26, "'is'"),
        ('sleeps = { when = "end", is', "# {", 13, 2, "one outcome"),
        ("[outcomes]\n", "", 1, 1, "'outcomes'"),
    ],
)
def test_what_is_wrong_is_refused(
    old: str, new: str, line: int, column: int, expected: str
) -> None:
    """The error says line and column in the file, and what would be right."""
    assert old in SMALL
    error = refuse(SMALL.replace(old, new, 1))
    assert error.line == line, str(error)
    assert error.column == column, str(error)
    assert expected in error.expected, str(error)


@pytest.mark.parametrize(
    ("addition", "line", "column", "expected"),
    [
        ("start = 1", 1, 9, "a table"),
        ("[start]\nmod = 'user'", 2, 1, "'mode'"),
        ("[start]\nmode = 'usr'", 2, 8, "'user'"),
        ("[start]\nmode = 'user'", 1, 2, "kernel"),
        ("[start]\nat = 'idel'", 2, 6, "'idle'"),
        ("[start]\ninterrupts = 1", 2, 14, "true or false"),
        ("[start]\npending = 'nmi'", 2, 11, "a list"),
        ("[start]\npending = ['nmi', 'nim']", 2, 19, "'nmi'"),
        ("[start]\npending = ['nmi', 'nmi']", 2, 19, "each once"),
        ("[start]\nregisters = { al = 1 }", 2, 15, "eax"),
        ("[start]\nregisters = { eax = 'x' }", 2, 21, "a whole number"),
        ("[start]\nflags = { if = true }", 2, 11, "one of"),
        ("[start]\niopl = 4", 2, 8, "from 0 to 3"),
        ("[start]\ncr4 = ['tds']", 2, 8, "'tsd'"),
        ("[start]\npmcs = [1, -1]", 2, 12, "whole numbers of 40 bits"),
        ("[start]\ntsc = -1", 2, 7, "from 0 to"),
        ("[start]\nfrequency = 0", 2, 13, "from 1 to"),
        ("[start.msrs]\n0x1g = {}", 2, 1, "in quotes"),
        ("[start.msrs]\n4294967296 = {}", 2, 1, "in quotes"),
        ("[start.msrs]\n1 = { key = {} }", 2, 7, "eax"),
        ("[start.msrs]\n1 = { valeu = 1 }", 2, 7, "'value'"),
        ("[start.cpuid]\n1 = { esi = 1 }", 2, 7, "edx"),
        ("[platforms]\nsotfware = {}", 2, 1, "'software'"),
        ("[platforms]\nnative = 1", 2, 10, "a table"),
        ("[policies]\nnim = 'x'", 2, 1, "'nmi'"),
        ("[policies]\nnmi = 'deliverd'", 2, 7, "'delivered'"),
        ("[variants]\nx = {}", 2, 1, "'platform'"),
        ("[variants]\nX = {}", 2, 1, "lower-case"),
        ("[variants]\nx = { platform = 'bare' }", 2, 18, "native"),
        (
            "[variants.x]\nplatform = 'native'\nstart = { at = 'idel' }",
            3,
            16,
            "'idle'",
        ),
        (
            "[variants.x]\nplatform = 'native'\nexpect = { sleps = 'x' }",
            3,
            12,
            "'sleeps'",
        ),
        ("[expect]\nnativ = {}", 2, 1, "'native'"),
        ("[expect.native]\nsleeps = 'alway'", 2, 10, "'always'"),
    ],
)
def test_what_is_wrong_in_a_section_is_refused(
    addition: str, line: int, column: int, expected: str
) -> None:
    """Sections that the small scenario lacks."""
    if addition.startswith("["):
        before = SMALL + addition
        line += SMALL.count("\n")
    else:
        before = addition + "\n" + SMALL
    error = refuse(before)
    assert error.line == line, str(error)
    assert error.column == column, str(error)
    assert expected in error.expected, str(error)


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ("[data]\n" + "".join(f"w{n} = 0\n" for n in range(257)), "most 256"),
        ("[data]\nw0 = [" + "0, " * 257 + "]\n", "most 256"),
        ("[data]\nw0 = []\n", "a number"),
        (
            "[outcomes]\n"
            + "".join(f"o{n} = {{ is = 'if' }}\n" for n in range(33)),
            "most 32",
        ),
        (
            "[variants]\n"
            + "".join(
                f"v{n} = {{ platform = 'native' }}\n" for n in range(17)
            ),
            "most 16",
        ),
        (
            "[start.msrs]\n" + "".join(f"{n} = {{}}\n" for n in range(65)),
            "most 64",
        ),
    ],
)
def test_too_many_entries_are_refused(addition: str, expected: str) -> None:
    """Everything that a stranger sends is bounded."""
    head, _, _ = addition.partition("\n")
    text = "".join(
        part
        for part in SMALL.replace("work", "w0").partition("[data]")
        if head != "[data]" or part != "[data]"
    )
    if head == "[data]":
        text = text.replace("\nw0 = 0\n", "\n" + addition, 1)
    elif head == "[outcomes]":
        text = text.partition("[outcomes]")[0] + addition
    else:
        text += addition
    assert expected in refuse(text).expected


@pytest.mark.parametrize("slug", ["", "A", "a--b", "-a", "a/b", "a" * 81])
def test_the_name_of_a_scenario_is_checked(slug: str) -> None:
    with pytest.raises(ScenarioError):
        parse_scenario(SMALL, slug=slug)


def test_a_program_that_is_too_long_is_refused() -> None:
    error = refuse(SMALL.replace("idle: ", "idle:\n" + "nop\n" * 2000, 1))
    assert error.line == 2005
    assert "2000" in error.expected


@pytest.mark.parametrize(
    "text",
    [
        "question = 'x'\n" + "[code]\n" * 9000,
        SMALL + "\n".join(f"[a{n}]" for n in range(7000)),
        SMALL.replace("jmp     idle", "jmp " + "x" * 60_000),
        SMALL.replace("jmp     idle", "x:" * 30_000),
        SMALL.replace("halted", "(" * 60_000),
        SMALL.replace("halted", "not " * 15_000),
        SMALL.replace("work = 0", "work = " + "9" * 60_000),
        SMALL.replace("work = 0", "x" * 60_000 + " = 0"),
        SMALL.replace("Does", "\\u0000" * 10_000),
        "\0" * 60_000,
        "about = [" + "'VMI_Halt'," * 5000 + "]\n" + SMALL,
    ],
    ids=range(11),
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    """What a stranger sends costs less than a second."""
    began = time.process_time()
    assert len(str(refuse(text))) < 2000
    assert time.process_time() - began < 1


@given(
    st.integers(0, len(WHOLE)),
    st.sampled_from(["", "x", "[", "]", "=", '"', "'", "\n", "\0", "-", "é"]),
    st.integers(0, 3),
)
def test_any_small_mistake_is_read_or_refused(
    place: int, inserted: str, dropped: int
) -> None:
    """No text ends in another error, and each error is in the file."""
    text = WHOLE[:place] + inserted + WHOLE[place + dropped :]
    try:
        parse(text)
    except ScenarioError as error:
        found = error
    else:
        return
    assert 1 <= found.line <= text.count("\n") + 1
    line = text.split("\n")[found.line - 1]
    assert 1 <= found.column <= len(line) + 1


@pytest.mark.parametrize(
    "path", sorted(CORPUS.glob("*.toml")), ids=lambda path: path.stem
)
def test_the_corpus_survives_broken_lines(path: Path) -> None:
    """With each line dropped the file is read, or refused in its bounds."""
    lines = path.read_text("utf-8").split("\n")
    for number in range(0, len(lines), 7):
        text = "\n".join(lines[:number] + lines[number + 1 :])
        try:
            parse(text)
        except ScenarioError as error:
            assert 1 <= error.line <= len(lines)  # noqa: PT017


MANY = """question = ""
about = ["VMI_Halt", "VMI_Hald"]
[code]
kernel = '''
idle:   movv    eax, 1
        jmp     nowhere
busy:   jmp     idle; jmp busy
        mov     eax, [work
        jmp     idle
        .data
table:  .long   1, 2, absent
'''
irq0 = "iretd eax"
irq77 = "nop"
[data]
work = 0x1_0000_0000
eax = 1
list = [1, true, 3]
[start]
mode = "kernal"
halted = 1
cr4 = ["tsd", "tds"]
[events]
irq0 = 0
nmi = { must = true }
[outcomes]
one = { is = "wrok == 1" }
two = { is = "work == 1", when = "ended" }
Three = { is = "at busy and list[2] == 3 and table[1] == 2" }
four = { is = "at busy and list[2] == 3 and table[1] == 2" }
[platforms]
native = {}
softwear = {}
[policies]
nmi = "perhaps"
[variants.odd]
platform = "natve"
[expect]
native = { one = "alwasy", five = "never" }
"""


def test_all_errors_are_found() -> None:
    """One in each line that is wrong, in the order of the text."""
    errors = check_scenario(MANY)
    assert [(error.line, error.expected) for error in errors] == [
        (1, "a text in quotes"),
        (2, "'VMI_Halt'"),
        (5, "'mov'"),
        (6, "a label of a listing, a register or a VMI call"),
        (7, "an instruction, or # before a comment"),
        (8, "] after an address"),
        (11, "a register, a label or a data word"),
        (13, '"iret" alone'),
        (14, "'irq7'"),
        (16, "a whole number from -2147483648 to 4294967295"),
        (17, "a name that is no register, operator or VMI call"),
        (18, "a whole number from -2147483648 to 4294967295"),
        (20, "'kernel'"),
        (21, "true or false"),
        (22, "'tsd'"),
        (24, "a whole number from 1 to 1000"),
        (25, "the key 'budget'"),
        (27, "'work'"),
        (28, "'end'"),
        (29, "lower-case letters, digits and single hyphens"),
        (33, "'software'"),
        (35, "one of not-delivered, delivered"),
        (37, "'native'"),
        (39, "'always'"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("idle: ", "idle:\n" + "movv eax\n" * 7000, 1),
        SMALL.replace("jmp     idle", "x:" * 30_000),
        SMALL + "[start]\n" + "".join(f"a{n} = 1\n" for n in range(6000)),
        SMALL + "".join(f"[a{n}]\n" for n in range(6000)),
        SMALL.replace("work = 0", "work = [" + "true, " * 10_000 + "]"),
        SMALL.replace("halted", "(" * 60_000),
    ],
    ids=range(6),
)
def test_a_hostile_text_is_checked_quickly(text: str) -> None:
    """What a stranger types costs less than a second."""
    began = time.process_time()
    assert 0 < len(check_scenario(text)) <= MAXIMUM_ERRORS
    assert time.process_time() - began < 1


def test_a_right_file_has_no_errors() -> None:
    assert check_scenario(SMALL) == check_scenario(WHOLE) == ()


def test_a_listing_that_is_no_text_is_one_error() -> None:
    text = SMALL.replace('irq0 = "call VMI_IRET"', "irq0.a = 1")
    (error,) = check_scenario(text)
    assert (error.line, error.expected) == (8, "a text in quotes")


def test_no_more_errors_are_found_than_anyone_reads() -> None:
    text = SMALL.replace("idle: ", "idle:\n" + "movv\n" * 99, 1)
    errors = check_scenario(text)
    assert len(errors) == MAXIMUM_ERRORS
    assert [error.line for error in errors[:3]] == [5, 6, 7]


def test_what_is_no_toml_has_one_error() -> None:
    (error,) = check_scenario("question = \n" + SMALL)
    assert error.line == 1


@given(st.data())
def test_both_ways_of_reading_agree(data: st.DataObject) -> None:
    """A text has errors if and only if it is refused, and for one of them."""
    text = data.draw(st.sampled_from([SMALL, WHOLE, MANY]))
    lines = text.split("\n")
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        start = data.draw(st.integers(0, len(line)))
        end = data.draw(st.integers(start, len(line)))
        new = data.draw(st.sampled_from(["", "x", "0", "'", "[", "= ", "\n"]))
        lines[place] = line[:start] + new + line[end:]
    text = "\n".join(lines)
    found = {error.line for error in check_scenario(text)}
    if found:
        assert refuse(text).line in found
    else:
        parse(text)


def test_a_list_of_words_has_indices() -> None:
    """The name stands for the first; code reaches the others by address."""
    scenario = parse(
        SMALL.replace("work = 0", "work = [0, -1, 2]").replace(
            "halted and work == 0", "work[0] == 0 and work[2] == 2"
        )
    )
    assert scenario.data == (
        ("work", 0),
        ("work[1]", 0xFFFF_FFFF),
        ("work[2]", 2),
    )
    error = refuse(
        SMALL.replace("work = 0", "work = [0, 1]").replace(
            "work == 0", "work[2] == 0"
        )
    )
    assert "an index that it has" in error.expected


def test_an_outcome_reads_the_data_of_a_listing() -> None:
    """By label and word, within the listing's data."""
    text = SMALL.replace(
        "jmp     idle\n",
        "jmp idle\n.data\ntable: .long 7, 8\nrest: .byte 1\n",
    )
    for outcome, answer in (("table[1] == 8", True), ("table == 8", False)):
        asked = parse(text.replace("halted and work == 0", outcome))
        report = explore(asked, platforms=["native"])
        (found,) = report.platforms
        assert (found.answers["sleeps"].answer == "always") == answer
    for outcome in ("table[2] == 0", "rest == 0", "table[-1] == 0"):
        error = refuse(text.replace("halted and work == 0", outcome))
        assert "word" in error.expected
