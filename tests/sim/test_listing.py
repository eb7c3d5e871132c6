"""Listings: what is parsed, and how what is wrong is refused."""

import pickle
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.forms import ALIASES, FORMS, REGISTER_BYTES
from app.sim.listing import (
    MAXIMUM_STATEMENTS,
    SLOT,
    Immediate,
    Listing,
    ListingError,
    Memory,
    Operand,
    Register,
    Statement,
    Target,
    find_name_fault,
    parse_listings,
)
from app.sim.registry import CALLS, INSTRUCTIONS

BASE = 0xC010_0000
WORK = 0xC040_0000


def parse(text: str) -> Listing:
    listings = parse_listings(
        {"kernel": (text, BASE)}, words={"work": WORK}, calls=CALLS
    )
    return listings["kernel"]


def parse_one(text: str) -> Statement:
    (statement,) = parse(text).statements
    return statement


def refuse(text: str) -> ListingError:
    with pytest.raises(ListingError) as caught:
        parse(text)
    return caught.value


def find_error(text: str) -> ListingError | None:
    try:
        parse(text)
    except ListingError as error:
        return error
    return None


def memory(displacement: int = 0, **parts: object) -> Memory:
    whole = Memory(4, None, None, None, 1, displacement)
    return whole._replace(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "operands"),
    [
        ("mov eax, 1", (Register("eax"), Immediate(1))),
        ("mov al, -1", (Register("al"), Immediate(-1))),
        ("mov ax, 0xffff", (Register("ax"), Immediate(0xFFFF))),
        ("MOV EAX, [ESI]", (Register("eax"), memory(base="esi"))),
        ("mov eax, [work]", (Register("eax"), memory(WORK))),
        ("mov eax, [4]", (Register("eax"), memory(4))),
        ("mov eax, [esp + 8]", (Register("eax"), memory(8, base="esp"))),
        (
            "mov eax, [ebx-4]",
            (Register("eax"), memory(0xFFFF_FFFC, base="ebx")),
        ),
        (
            "mov eax, [work + ecx*4 - 8]",
            (Register("eax"), memory(WORK - 8, index="ecx", scale=4)),
        ),
        (
            "mov eax, [2*edx + ebp]",
            (Register("eax"), memory(base="ebp", index="edx", scale=2)),
        ),
        (
            "mov eax, [eax + esp]",
            (Register("eax"), memory(base="esp", index="eax")),
        ),
        ("mov byte ptr [work], 7", (memory(WORK, size=1), Immediate(7))),
        ("mov [work], al", (memory(WORK, size=1), Register("al"))),
        ("push offset work", (Immediate(WORK),)),
        ("push offset work + 4", (Immediate(WORK + 4),)),
        ("push offset kernel", (Immediate(BASE),)),
        ("push [work]", (memory(WORK),)),
        ("movzx ecx, byte ptr [esi]", None),
        ("mov ss, ax", (Register("ss"), Register("ax"))),
        ("mov eax, cr4", (Register("eax"), Register("cr4"))),
        ("shl eax, cl", (Register("eax"), Register("cl"))),
        ("bts dword ptr [work], 31", (memory(WORK), Immediate(31))),
        ("call VMI_Halt", (Target("VMI_Halt", None),)),
        ("call kernel", (Target("kernel", BASE),)),
        ("call [work]", (memory(WORK),)),
        ("jmp eax", (Register("eax"),)),
        ("ret 4", (Immediate(4),)),
        ("hlt", ()),
    ],
)
def test_operands_are_read(
    text: str, operands: tuple[Operand, ...] | None
) -> None:
    """An operand is what its text says, with the size filled in."""
    statement = parse_one(text)
    if operands is not None:
        assert statement.operands == operands
    else:
        assert statement.operands[1] == memory(size=1, base="esi")


def test_statements_know_where_they_stand() -> None:
    """Line, column, text and place are those of the listing."""
    listing = parse(
        "\n# a comment\nidle:  cli   # off\n\tnop\nbusy: stop:\n"
        "  lock   add  dword ptr [work],1\r\n       jnz  idle"
    )
    first, second, third, fourth = listing.statements
    assert [s.address for s in listing.statements] == [
        BASE + SLOT * number for number in range(4)
    ]
    assert (first.at, first.line, first.column) == ("idle", 3, 8)
    assert first.text == "cli"
    assert (second.at, second.line, second.column) == ("idle+1", 4, 2)
    assert (third.at, third.prefix) == ("stop", "lock")
    assert third.text == "lock add dword ptr [work],1"
    assert fourth.mnemonic == "jne"
    assert fourth.operands == (Target("idle", BASE),)
    assert listing.labels == {
        "idle": BASE,
        "busy": BASE + 2 * SLOT,
        "stop": BASE + 2 * SLOT,
    }


def test_statements_before_a_label_count_from_the_listing() -> None:
    assert [s.at for s in parse("nop\nnop\nx: nop").statements] == [
        "kernel",
        "kernel+1",
        "x",
    ]


def test_listings_see_one_anothers_labels() -> None:
    listings = parse_listings(
        {
            "kernel": ("jmp there\npush offset user", BASE),
            "user": ("nop\nthere: nop", 0x1000),
        },
        words={},
        calls=CALLS,
    )
    jump, push = listings["kernel"].statements
    assert jump.operands == (Target("there", 0x1010),)
    assert push.operands == (Immediate(0x1000),)


def test_a_listing_may_label_its_first_statement_with_its_name() -> None:
    assert parse("kernel: jmp kernel").labels == {"kernel": BASE}


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_aliases_become_the_one_name(alias: str, name: str) -> None:
    """A second name of an instruction leads to the first."""
    operands = {
        "label": "kernel",
        "rm8": "al",
        "rmv, rv": "eax, ecx",
        "rv, rmv": "eax, ecx",
        "rm, i8": "eax, 1",
    }
    form = FORMS[name][0]
    text = f"{alias} {operands.get(form, '')}"
    assert parse_one(text).mnemonic == name


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("nop\n  movv eax, 1", 2, 3, "'mov'"),
        ("mov eaz, 1", 1, 5, "'eax'"),
        ("mov eax, [wrok]", 1, 11, "'work'"),
        ("call VMI_Hald", 1, 6, "'VMI_Halt'"),
        ("jmp strat\nstart: nop", 1, 5, "'start'"),
        ("mov al, 300", 1, 9, "a number from -128 to 255"),
        ("mov [work], 1", 1, 5, "dword ptr"),
        ("movzx eax, [work]", 1, 12, "byte ptr"),
        ("mov eax, work", 1, 10, "[work] for the word"),
        ("add eax, bl", 1, 1, '"add register, memory"'),
        ("mov cs, eax", 1, 1, "other than cs"),
        ("pop cs", 1, 1, "other than cs"),
        ("imul al, bl", 1, 1, "imul"),
        ("lea eax, ebx", 1, 1, "lea 32-bit register, 32-bit memory"),
        ("hlt eax", 1, 1, '"hlt" alone'),
        ("mov eax 1", 1, 9, ","),
        ("mov eax,", 1, 9, "a number, a register or a name"),
        ("push [al]", 1, 7, "32-bit"),
        ("push [esp*2]", 1, 7, "other than esp"),
        ("push [esp+esp]", 1, 6, "other than esp"),
        ("push [eax*3]", 1, 11, "1, 2, 4 or 8"),
        ("push [eax*eax]", 1, 11, "1, 2, 4 or 8"),
        ("push [eax - 2*ecx]", 1, 13, "1, 2, 4 or 8"),
        ("push [eax - ecx]", 1, 13, "a number after -"),
        ("push [eax+ebx+ecx]", 1, 6, "one base and one index"),
        ("push [eax", 1, 10, "]"),
        ("push dword [eax]", 1, 12, "ptr"),
        ("push dword ptr 4", 1, 16, "["),
        ("mov eax, --1", 1, 11, "a number"),
        ("mov eax, 1 + ecx", 1, 14, "a number"),
        ("mov eax, 010", 1, 10, "without leading zeros"),
        ("mov eax, 10h", 1, 10, "0x before a hexadecimal"),
        ("mov eax, 4294967296", 1, 10, "0xffffffff"),
        ("mov eax, 4294967295 + 1", 1, 10, "4294967295"),
        ("int 256", 1, 5, "0 to 255"),
        ("nop #" + "x" * 500, 1, 501, "at most 500 characters"),
        ("nop ; nop", 1, 5, "# before a comment"),
        ("nop\0", 1, 4, "an instruction"),
        ("mov eax, dword ptr fs:[4]", 1, 20, "["),
        ("lock mov [work], eax", 1, 1, "writes to memory"),
        ("lock inc eax", 1, 1, "writes to memory"),
        ("lock", 1, 5, "an instruction"),
        ("rep movsd", 1, 1, "'ret'"),
        (".data", 1, 1, "an instruction"),
        ("", 1, 1, "an instruction"),
        ("# nothing", 1, 1, "an instruction"),
        ("nop\nend:", 2, 1, "an instruction after the last label"),
        ("a: nop\na: nop", 2, 1, "a name of its own"),
        ("work: nop", 1, 1, "a name of its own"),
        ("nop\nkernel: nop", 2, 1, "a name of its own"),
        ("eax: nop", 1, 1, "no register"),
        ("and: nop", 1, 1, "operator"),
        ("st: nop", 1, 1, "no register"),
        ("VMI_Halt: nop", 1, 1, "VMI call"),
        ("4: nop", 1, 1, "letters, digits"),
        (f"{'x' * 65}: nop", 1, 1, "up to 64"),
        (": nop", 1, 1, "an instruction"),
    ],
)
def test_what_is_wrong_is_refused(
    text: str, line: int, column: int, expected: str
) -> None:
    """The error says line, column, and what would have been right."""
    error = refuse(text)
    assert (error.listing, error.line) == ("kernel", line)
    assert error.column == column, str(error)
    assert expected in error.expected
    assert f"line {line}, column {column}" in str(error)


def test_too_many_instructions_are_refused() -> None:
    error = refuse("nop\n" * (MAXIMUM_STATEMENTS + 1))
    assert error.line == MAXIMUM_STATEMENTS + 1
    assert str(MAXIMUM_STATEMENTS) in error.expected


def test_errors_and_listings_can_be_pickled() -> None:
    """Both cross the border between processes."""
    error = refuse("movv")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
    listing = parse("a: jmp a")
    assert pickle.loads(pickle.dumps(listing)) == listing  # noqa: S301


@pytest.mark.parametrize(
    "text",
    [
        "mov eax, " + "9" * 65_000,
        "mov eax, " + "1+" * 32_000 + "1",
        "mov eax, [" + "[" * 65_000,
        "x" * 65_000,
        "x:" * 32_000,
        "call VMI_" + "x" * 65_000,
        "nop " + "," * 65_000,
        "\n" * 65_000,
        "\0" * 65_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    """What a stranger sends costs less than a second."""
    began = time.process_time()
    error = find_error(text)
    assert error is None or len(str(error)) < 2000
    assert time.process_time() - began < 1


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in another error."""
    error = find_error(text)
    assert error is None or min(error.line, error.column) >= 1


names = st.sampled_from(sorted(REGISTER_BYTES))
words = st.sampled_from([n for n, size in REGISTER_BYTES.items() if size == 4])
indices = words.filter(lambda name: name != "esp")


@given(
    st.none() | words,
    st.none() | st.tuples(indices, st.sampled_from([1, 2, 4, 8])),
    st.integers(-(1 << 31), (1 << 32) - 1),
    st.sampled_from([("byte", 1), ("word", 2), ("dword", 4)]),
)
def test_memory_operands_survive_being_written_and_read(
    base: str | None,
    index: tuple[str, int] | None,
    displacement: int,
    size: tuple[str, int],
) -> None:
    """Reading what was written gives the operand that was meant."""
    parts = [base] if base else []
    parts += [f"{index[0]}*{index[1]}"] if index else []
    sign = "-" if displacement < 0 else "+" if parts else ""
    text = f"{'+'.join(parts)}{sign}{abs(displacement)}"
    statement = parse_one(f"not {size[0]} ptr [{text}]")
    name, scale = index or (None, 1)
    assert statement.operands == (
        Memory(size[1], None, base, name, scale, displacement % (1 << 32)),
    )


def test_every_instruction_has_forms_and_every_form_an_instruction() -> None:
    """The parser accepts what the simulator executes, no more."""
    special = {name for name in INSTRUCTIONS if "-" in name}
    assert set(FORMS) == set(INSTRUCTIONS) - special


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("work", True),
        ("_x9", True),
        ("irq0", True),
        ("nop", True),
        ("", False),
        ("a-b", False),
        ("xmm0", False),
        ("Ge", False),
        ("VMI_x", False),
    ],
)
def test_names_that_the_assembler_reads_otherwise_are_refused(
    name: str, fits: bool
) -> None:
    assert (find_name_fault(name) == "") is fits


def test_examples_of_all_forms_assemble() -> None:
    """What the parser takes, binutils take: one example for each form."""
    if shutil.which("as") is None:
        pytest.skip("as is not installed: apt-get install binutils")
    texts = [
        f"{mnemonic} {_write_example(form)}"
        for mnemonic, forms in FORMS.items()
        for form in forms
    ]
    for text in texts:
        parse_one(text)
    done = subprocess.run(
        ["as", "--32", "-msyntax=intel", "-mnaked-reg", "-o", "/dev/null"],
        input="\n".join(texts) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def _write_example(form: str) -> str:
    examples = {
        "rm": "dword ptr [work]",
        "r": "ecx",
        "m": "[work]",
        "i": "5",
        "rmv": "dword ptr [work]",
        "rv": "edx",
        "rm8": "byte ptr [work]",
        "rm16": "word ptr [work]",
        "rm32": "dword ptr [work]",
        "r32": "eax",
        "m32": "[work]",
        "i8": "3",
        "i16": "8",
        "cl": "cl",
        "sreg": "fs",
        "loadable": "es",
        "cr": "cr3",
        "label": "kernel",
        "call": "VMI_Halt",
    }
    return ", ".join(examples[code] for code in form.split(", ") if code)
