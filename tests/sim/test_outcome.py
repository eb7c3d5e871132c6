"""The language of outcomes: what it means, and what it refuses."""

import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.explore import build_initial
from app.sim.machine import Machine
from app.sim.observables import OBSERVABLES, list_observables
from app.sim.outcome import (
    MAXIMUM_DEPTH,
    MAXIMUM_LENGTH,
    At,
    Binary,
    Expression,
    Name,
    Not,
    Number,
    OutcomeError,
    Vocabulary,
    compile_outcome,
    parse_outcome,
)
from app.sim.platforms import build_platform
from app.sim.scenario import parse_scenario

VOCABULARY = Vocabulary(
    [*OBSERVABLES, "work", "other"], ["irq0", "nmi"], ["idle", "busy"]
)
SCENARIO = """
question = "?"
[code]
kernel = '''
idle: nop
busy: nop
'''
[data]
work = 3
other = -1
[start]
interrupts = false
pending = ["irq0"]
registers = { eax = 0x200, ebx = -1 }
flags = { zf = true }
msrs.0x1234 = { value = 77 }
[outcomes]
any = { is = "halted" }
"""


def parse(text: str) -> Expression:
    return parse_outcome(text, VOCABULARY)


def refuse(text: str) -> OutcomeError:
    with pytest.raises(OutcomeError) as caught:
        parse(text)
    return caught.value


def find_error(text: str) -> OutcomeError | None:
    try:
        parse(text)
    except OutcomeError as error:
        return error
    return None


@pytest.fixture(scope="module")
def machine() -> Machine:
    scenario = parse_scenario(SCENARIO, slug="test")
    host = build_platform("native", {})
    (machine,) = build_initial(scenario, scenario.start, host)
    return machine


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("halted", Name("halted")),
        ("17", Number(17)),
        ("0x1F", Number(31)),
        ("-1", Number(0xFFFF_FFFF)),
        ("-2147483648", Number(0x8000_0000)),
        ("pending", Name("pending")),
        ("pending irq0", Name("pending irq0")),
        ("pending and if", Binary("and", Name("pending"), Name("if"))),
        ("msr 0x10", Name("msr 0x10")),
        ("msr 16", Name("msr 0x10")),
        ("at idle", At("idle")),
        ("not not if", Not(Not(Name("if")))),
        (
            "eax or ebx and ecx",
            Binary("or", Name("eax"), Binary("and", Name("ebx"), Name("ecx"))),
        ),
        (
            "eax or ebx or ecx",
            Binary("or", Binary("or", Name("eax"), Name("ebx")), Name("ecx")),
        ),
        (
            "not work == 1",
            Not(Binary("==", Name("work"), Number(1))),
        ),
        (
            "not if and zf",
            Binary("and", Not(Name("if")), Name("zf")),
        ),
        (
            "(eax or ebx)\n and\tecx",
            Binary("and", Binary("or", Name("eax"), Name("ebx")), Name("ecx")),
        ),
    ],
)
def test_operators_bind_as_they_say(text: str, tree: Expression) -> None:
    """From loosest: or, and, not, a comparison."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("work == 3", True),
        ("work != 3", False),
        ("work < 4 and work <= 3 and work > 2 and work >= 3", True),
        ("work < 3 or work > 3", False),
        ("other == -1 and other == 0xffffffff", True),
        ("eax == 0x200", True),
        ("ebx > 1", True),
        ("work", True),
        ("halted", False),
        ("not halted", True),
        ("zf and not cf", True),
        ("if", False),
        ("pending irq0 and not pending nmi", True),
        ("pending", True),
        ("at idle", True),
        ("at busy", False),
        ("msr 0x1234 == 77", True),
        ("msr 0x4321 == 0", True),
        ("(work == 3) == 1", True),
        ("1", True),
        ("0", False),
    ],
)
def test_outcomes_hold_on_a_machine(
    text: str, holds: bool, machine: Machine
) -> None:
    """The predicate says of the machine what its text says."""
    labels = {"idle": machine.vcpus[0].eip, "busy": 0}
    predicate = compile_outcome(parse(text), machine.board.words, labels)
    assert predicate(machine) is holds


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("", 1, 1, "a name, a number"),
        ("halted and", 1, 11, "a name, a number"),
        ("and halted", 1, 1, "a name, a number"),
        ("halted halted", 1, 8, "and, or, a comparison"),
        ("halted\nand  hlated", 2, 6, "'halted'"),
        ("wrok == 1", 1, 1, "'work'"),
        ("xyzzy", 1, 1, "an observable or data word"),
        ("pending irq7", 1, 9, "'irq0'"),
        ("at ilde", 1, 4, "'idle'"),
        ("at", 1, 3, "a label"),
        ("at 4", 1, 4, "a label"),
        ("msr", 1, 4, "the number of an MSR"),
        ("msr eax", 1, 5, "the number of an MSR"),
        ("msr -1", 1, 5, "the number of an MSR"),
        ("(halted", 1, 8, ")"),
        ("halted)", 1, 7, "and, or"),
        ("1 < eax < 3", 1, 9, "between two comparisons"),
        ("eax = 1", 1, 5, "a comparison"),
        ("eax & 1", 1, 5, "a comparison"),
        ("__import__", 1, 1, "an observable"),
        ("eval('1')", 1, 6, "a name, a number"),
        ("eax == 010", 1, 8, "without leading zeros"),
        ("eax == 1e3", 1, 8, "a decimal number"),
        ("eax == 0x1ffffffffffffffff", 1, 8, "0xffffffffffffffff"),
        ("eax == -2147483649", 1, 8, "-2147483648"),
        ("eax == 18446744073709551616", 1, 8, "0xffffffffffffffff"),
        ("\0", 1, 1, "a name"),
        ("if" + " " * MAXIMUM_LENGTH, 1, 1, "at most 1000 characters"),
        ("(" * (MAXIMUM_DEPTH + 2), 1, 34, "at most 32 levels"),
        ("not " * 200 + "if", 1, 133, "at most 32 levels"),
    ],
)
def test_what_is_wrong_is_refused(
    text: str, line: int, column: int, expected: str
) -> None:
    """The error says line, column, and what would have been right."""
    error = refuse(text)
    assert (error.line, error.column) == (line, column), str(error)
    assert expected in error.expected
    assert f"line {line}, column {column}" in str(error)


@pytest.mark.parametrize(
    "text",
    ["(" * 1000, "not " * 250, "9" * 1000, "if and " * 142, "=" * 1000],
    ids=lambda text: text[:4],
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    began = time.process_time()
    assert find_error(text) is not None
    assert time.process_time() - began < 0.1


def test_errors_can_be_pickled() -> None:
    error = refuse("eax ==")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in another error."""
    error = find_error(text)
    assert error is None or min(error.line, error.column) >= 1


values = st.one_of(
    st.integers(0, (1 << 32) - 1).map(Number),
    st.sampled_from(["eax", "work", "halted", "pending irq0"]).map(Name),
    st.just(At("idle")),
)
trees: st.SearchStrategy[Expression] = st.recursive(
    values,
    lambda inner: st.one_of(
        inner.map(Not),
        st.builds(Binary, st.sampled_from(["and", "or"]), inner, inner),
        st.builds(
            Binary,
            st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
            inner,
            inner,
        ),
    ),
    max_leaves=8,
)


def write(tree: Expression) -> str:
    if isinstance(tree, Number):
        return str(tree.value)
    if isinstance(tree, Name):
        return tree.name
    if isinstance(tree, At):
        return f"at {tree.label}"
    if isinstance(tree, Not):
        return f"(not {write(tree.operand)})"
    assert isinstance(tree, Binary)
    return f"({write(tree.left)} {tree.operator} {write(tree.right)})"


@given(trees)
def test_trees_survive_being_written_and_read(tree: Expression) -> None:
    """Reading what was written with all parentheses gives the same tree."""
    text = write(tree)
    if len(text) <= MAXIMUM_LENGTH:
        assert parse(text) == tree


TWO = Vocabulary(
    [*list_observables(2), "work"], ["irq0", "nmi"], ["idle", "busy"]
)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("cpu1.eax", Name("cpu1.eax")),
        ("cpu0.halted", Name("cpu0.halted")),
        ("cpu1.at idle", At("idle", 1)),
        ("cpu1.pending", Name("cpu1.pending")),
        ("cpu1.pending nmi", Name("cpu1.pending nmi")),
        ("cpu1.msr 0x10", Name("cpu1.msr 0x10")),
    ],
)
def test_a_prefix_names_a_processor(text: str, tree: Expression) -> None:
    """Without one it is processor 0."""
    assert parse_outcome(text, TWO) == tree
    compile_outcome(tree, {}, {"idle": 1})


@pytest.mark.parametrize(
    "text",
    [
        "cpu1.eax",
        "cpu2.at idle",
        "cpu2.msr 0x10",
        "cpu2.pending",
        "cpu1.work",
        "cpu1.wallclock",
        "cpu1.pending irq0",
        "cpu1.",
        "cpu1.not",
    ],
)
def test_a_processor_that_is_not_there(text: str) -> None:
    """What another processor lacks, or another machine, is refused."""
    vocabulary = VOCABULARY if text == "cpu1.eax" else TWO
    with pytest.raises(OutcomeError):
        parse_outcome(text, vocabulary)
