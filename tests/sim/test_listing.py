"""Listings: what is parsed, and how what is wrong is refused."""

import pickle
import shutil
import struct
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.forms import ALIASES, FORMS, REGISTER_BYTES, SHORT
from app.sim.layout import LISTING_DATA_BASE, USER_DATA_BASE
from app.sim.listing import (
    MAXIMUM_STATEMENTS,
    SLOT,
    FarTarget,
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
    parse_statement,
)
from app.sim.operands import get_bytes
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


TO = memory(segment="es", base="edi")
FROM = memory(base="esi")


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
        ("call [dword ptr [eax+8]]", (memory(8, base="eax"),)),
        (
            "jmp [DWORD PTR work[0+eax*4]]",
            (memory(WORK, index="eax", scale=4),),
        ),
        ("inc DWORD PTR work[4+eax]", (memory(WORK + 4, base="eax"),)),
        ("inc dword ptr work+4", (memory(WORK + 4),)),
        ("push work[ecx]", (memory(WORK, base="ecx"),)),
        ("push OFFSET FLAT:work", (Immediate(WORK),)),
        ("mov eax, fs:[4]", (Register("eax"), memory(4, segment="fs"))),
        (
            "mov eax, dword ptr gs:20",
            (Register("eax"), memory(20, segment="gs")),
        ),
        (
            "mov es:[edi], al",
            (memory(size=1, segment="es", base="edi"), Register("al")),
        ),
        ("sar edx", (Register("edx"), Immediate(1))),
        ("imul ecx, 5", (Register("ecx"), Register("ecx"), Immediate(5))),
        ("jmp 0x60:kernel", (FarTarget(0x60, BASE),)),
        ("call 96:offset kernel", (FarTarget(0x60, BASE),)),
        ("jmp fword ptr [work]", (memory(WORK, size=6),)),
        ("lgdt [work]", (memory(WORK, size=6),)),
        ("lss esp, [work]", (Register("esp"), memory(WORK, size=6))),
        ("cmpxchg8b [work]", (memory(WORK, size=8),)),
        ("invlpg [eax]", (memory(size=1, base="eax"),)),
        ("in al, 0x21", (Register("al"), Immediate(0x21))),
        ("out dx, ax", (Register("dx"), Register("ax"))),
        ("mov dr7, eax", (Register("dr7"), Register("eax"))),
        ("movsb", (TO._replace(size=1), FROM._replace(size=1))),
        ("movsd", (TO, FROM)),
        ("cmpsw", (FROM._replace(size=2), TO._replace(size=2))),
        ("rep stosd", (TO,)),
        (
            "movs dword ptr es:[edi], dword ptr fs:[esi]",
            (TO, FROM._replace(segment="fs")),
        ),
        ("outsd", (Register("dx"), FROM)),
        ("xlat", (memory(size=1, base="ebx"),)),
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
        "far": "0x60:kernel",
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
        ("lock mov [work], eax", 1, 1, "writes to memory"),
        ("lock inc eax", 1, 1, "writes to memory"),
        ("lock", 1, 5, "an instruction"),
        ("lock add eax, [work]", 1, 1, "writes to memory"),
        ("rep nop", 1, 1, "rep before movs"),
        ("repne movsd", 1, 1, "rep before movs"),
        ("movsd eax, ecx", 1, 7, '"movsb" alone'),
        ("movs dword ptr [edi], dword ptr [esi]", 1, 1, '"movsb" alone'),
        ("mov eax, dword ptr", 1, 19, "a data word after ptr"),
        ("mov eax, fs:gs:[4]", 1, 13, "a number, a label or a data"),
        ("mov eax, word ptr [dword ptr [4]]", 1, 34, "one size"),
        ("mov eax, [dword ptr [4]", 1, 24, "]"),
        ("lgdt dword ptr [work]", 1, 1, "48-bit memory"),
        ("jmp 0x10000:kernel", 1, 5, "16 bits"),
        ("jmp 0x60:nowhere", 1, 10, "a register, a label"),
        ("jmp 0x60:-1", 1, 10, "a label after the selector"),
        ("push offset flat work", 1, 18, ": after flat"),
        (".data", 1, 1, "an instruction"),
        (".dta", 1, 1, "'.data'"),
        (".data\nnop", 2, 1, ".text before it"),
        ("nop\n.long 4", 2, 1, ".data before it"),
        ("nop\n.data\n.long", 3, 6, "a number or a symbol"),
        ("nop\n.data\n.long 1 2", 3, 9, "the end of the line"),
        ("nop\n.data\n.long 1,", 3, 9, "a number or a symbol"),
        ("nop\n.data\n.byte 1, 256", 3, 10, "8 bits"),
        ("nop\n.data\n.long nowhere", 3, 7, "a register, a label"),
        ("nop\n.data\n.long nop", 3, 7, "a register, a label"),
        ("nop\n.data\n.ascii 4", 3, 8, "double quotes"),
        ('nop\n.data\n.ascii "\\q"', 3, 8, "escapes"),
        ('nop\n.data\n.ascii "\u20ac"', 3, 8, "one byte"),
        ("nop\n.data\n.zero 16385", 3, 7, "0 to 16384"),
        ("nop\n.data\n.zero 16384\n.zero 1", 4, 7, "16384 bytes"),
        ("nop\n.data\n.zero 1, 256", 3, 10, "0 to 255"),
        ("nop\n.align 3", 2, 8, "a power of 2"),
        ("nop\n.p2align 13", 2, 10, "0 to 12"),
        ("nop\n.comm 4,4", 2, 7, "a name"),
        ("nop\n.comm a", 2, 8, ", before the size"),
        ("nop\n.comm kernel,4", 2, 7, "a name of its own"),
        ("nop\n.section .odd", 2, 10, ".text, .data"),
        ("nop\n.section", 2, 9, "the name of a section"),
        ("nop\n.data 1", 2, 7, "the end of the line"),
        ("nop\n.data\nwork: .long 1", 3, 1, "a name of its own"),
        ("nop\n.data\nkernel: .long 1", 3, 1, "a name of its own"),
        ("nop\n.data\na: .long 1\na: .long 1", 4, 1, "a name of its own"),
        (".text: nop", 1, 1, "no directive"),
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


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("rep movsb", "rep"),
        ("repz lodsd", "rep"),
        ("rep cmpsb", "repe"),
        ("repz scasb", "repe"),
        ("repnz scasb", "repne"),
        ("lock xchg eax, [work]", "lock"),
        ("lock cmpxchg8b [work]", "lock"),
    ],
)
def test_a_prefix_has_one_name(text: str, prefix: str) -> None:
    """SDM vol. 2B, REP: one byte means REP or REPE by the instruction."""
    assert parse_one(text).prefix == prefix


COMPILED = r"""
        .file   "a.c"
        .intel_syntax noprefix
        .text
        .globl  main
        .type   main, @function
main:
.LFB0:
        .cfi_startproc
        jmp     [DWORD PTR .L4[0+eax*4]]  # by table
        .section        .rodata
        .align 4
.L4:
        .long   .L2
        .long   .L3-4, table+8
        .section .rodata.str1.1,"aMS",@progbits,1
.LC0:   .string "a#b\n\101\x42\""
        .text
        .p2align 4,,10
.L2:    push    OFFSET FLAT:.LC0
.L3:    ret
        .cfi_endproc
.LFE0:
        .size   main, .-main
        .data
        .align 4
table:  .word   1, -2
        .byte   3
        .value  0xffff
        .local  pool
        .comm   pool,6,16
        .bss
odd:    .zero   3
        .skip   2, 0xff
        .ident  "GCC"
        .section .note.GNU-stack,"",@progbits
note:   .long   not, read
"""


def test_what_a_compiler_writes_is_read() -> None:
    """Sections of data become bytes with labels; the rest is passed over."""
    listing = parse(COMPILED)
    assert [s.mnemonic for s in listing.statements] == ["jmp", "push", "ret"]
    assert [s.at for s in listing.statements] == ["main", ".L2", ".L3"]
    base = listing.base
    assert base == LISTING_DATA_BASE
    places = dict(listing.places)
    assert places == {
        ".L4": base,
        ".LC0": base + 12,
        "table": base + 20,
        "odd": base + 38,
        "pool": base + 32,
    }
    words = [BASE + SLOT, BASE + 2 * SLOT - 4, places["table"] + 8]
    numbers = b"".join(word.to_bytes(4, "little") for word in words)
    text = b'a#b\nAB"\0'
    table = b"\x01\0\xfe\xff\x03\xff\xff"
    rest = bytes(5) + bytes(6) + bytes(3) + b"\xff\xff"
    assert listing.content == numbers + text + table + rest
    jump, push, _ = listing.statements
    assert jump.operands == (memory(places[".L4"], index="eax", scale=4),)
    assert push.operands == (Immediate(places[".LC0"]),)


def test_data_of_the_user_lies_apart() -> None:
    """Data of the kernel's listings lie together, the user's elsewhere."""
    texts = {
        "kernel": "nop\n.data\na: .byte 1",
        "gp": "nop\n.data\nb: .byte 2",
    }
    texts["user"] = "nop\n.data\nc: .long a, b"
    listings = parse_listings(
        {
            name: (text, BASE + 0x1000 * place)
            for place, (name, text) in enumerate(texts.items())
        },
        words={},
        calls=CALLS,
    )
    bases = [listings[name].base for name in texts]
    assert bases == [LISTING_DATA_BASE, LISTING_DATA_BASE + 64, USER_DATA_BASE]
    assert listings["user"].content == struct.pack("<II", *bases[:2])


def test_one_statement_can_be_parsed_alone() -> None:
    """It may name registers and numbers, no labels."""
    statement = parse_statement("mov [eax+edx*8], ecx")
    assert statement.operands == (
        memory(base="eax", index="edx", scale=8),
        Register("ecx"),
    )
    with pytest.raises(ListingError, match="no register, label"):
        parse_statement("mov eax, [work]")


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
    special = {name for name in INSTRUCTIONS if "-" in name or " " in name}
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
    texts += SHORT
    for text in texts:
        parse_one(text)
    done = subprocess.run(
        ["as", "--32", "-o", "/dev/null"],
        input="\n".join([".intel_syntax noprefix", *texts]) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def _write_example(form: str) -> str:
    examples = {
        **dict.fromkeys(("rm", "rmv", "rm32"), "dword ptr [work]"),
        **dict.fromkeys(("m", "m32", "m48", "place"), "[work]"),
        "rm8": "byte ptr [work]",
        "rm16": "word ptr [work]",
        "m64": "qword ptr [work]",
        "r": "ecx",
        "rv": "edx",
        "r16": "cx",
        "r32": "eax",
        **dict.fromkeys(("i", "i8", "i16"), "5"),
        **{name: name for name in ("cl", "al", "ax", "eax", "dx")},
        "sreg": "fs",
        "loadable": "es",
        "cr": "cr3",
        "dr": "dr7",
        "label": "kernel",
        "call": "VMI_Halt",
        "far": "0x60:kernel",
        "bx8": "byte ptr [ebx]",
        "di": "dword ptr es:[edi]",
        "si": "dword ptr fs:[esi]",
    }
    return ", ".join(examples[code] for code in form.split(", ") if code)


def test_short_names_of_string_instructions_assemble() -> None:
    """They stand for the operands that the manual gives them."""
    for name, (mnemonic, size) in SHORT.items():
        statement = parse_one(name)
        assert statement.mnemonic == mnemonic
        assert {get_bytes(each) for each in statement.operands} <= {size, 2}
