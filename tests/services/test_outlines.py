"""Outlines: how a text is read by the places of a document."""

import pytest

from app.services.outlines import (
    Outline,
    OutlineCall,
    OutlineSection,
    Place,
    list_terms,
    pack,
)


@pytest.fixture
def outline() -> Outline:
    """Return the outline of a document of three sections and three calls."""
    texts = [
        ("2.8", "Interrupt flag", "The flag masks interrupts of the machine."),
        ("Appendix A", "Low-level calls", "What the calls do in general."),
        ("", "Timer calls", "Alarms and the wallclock."),
    ]
    calls = [
        ("X_SetAlarm", 2, None, "Sets an alarm; it expires at a counter."),
        ("X_RDTSC", 2, "rdtsc", "Reads the cycle counter."),
        ("X_Halt", 2, "sti; hlt", "Sleeps until an interrupt is pending."),
    ]
    return Outline(
        [
            OutlineSection(id=n, number=number, title=title, text=text)
            for n, (number, title, text) in enumerate(texts)
        ],
        [
            OutlineCall(id=n, name=name, section=at, native=native, text=text)
            for n, (name, at, native, text) in enumerate(calls)
        ],
    )


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("   INTERRUPT FLAG.", Place(0, None)),
        ("2.8) Interrupt flag", Place(0, None)),
        ("### 2.8 Interrupt flag", Place(0, None)),
        ("Appendix A - Low Level Calls", Place(1, None)),
        ("Appendix A: Low level calls of our ROM", Place(1, None)),
        ("TIMER CALLS", Place(2, None)),
        ("    X_SetAlarm:", Place(2, 0)),
        ("    71) X_SetAlarm", Place(2, 0)),
        ("    X_RDTSC (for debate)", Place(2, 1)),
        ("2.8 Something else", None),
        ("/* TIMER CALLS */", None),
        ("the interrupt flag is masked", None),
        ("X_SetAlarm sets an alarm", None),
        ("X_Unknown", None),
        ("", None),
        ("Interrupt flag" + " " * 200, None),
    ],
)
def test_line_starts_a_place(
    outline: Outline, line: str, place: Place | None
) -> None:
    """Headings are known by title or number, entries by the call's name."""
    found = outline.find_mark(line)
    assert (found and found[0]) == place


def test_prototype_is_a_mark_but_no_start(outline: Outline) -> None:
    """A prototype names its call, and does not end what stood before."""
    line = "XCALL void X_SetAlarm(uint32 flags, uint64 expiry);"
    assert outline.find_mark(line) == (Place(2, 0), False)
    read = outline.read(f"Timer calls\n\nabout all\n\n{line}\nmore\n")
    assert [mark.place for mark in read.marks] == [Place(2, None)]


def test_passage_belongs_to_the_heading_above(outline: Outline) -> None:
    """A text is parted by what starts places; several entries share one."""
    text = (
        "x\nTimer calls\nabout all\nX_SetAlarm\n\n alarm\nX_RDTSC\nX_Halt\nb"
    )
    read = outline.read(text)
    places = [read.get_place(read.packed.index(w)) for w in "xo"]
    assert places == [None, Place(2, None)]
    assert read.get_place(read.packed.index("alarmx_rdtsc")) == Place(2, 0)
    assert read.get_place(len(read.packed) - 1) == Place(2, None)
    whole = read.list_places(0, len(read.packed))
    assert whole == [Place(2, None), Place(2, 0), Place(2, 1)]


def test_parts_start_where_they_are_known_to(outline: Outline) -> None:
    """The sections of another revision are given, their entries are read."""
    parts = [
        (Place(0, None), "one"),
        (None, "two"),
        (Place(1, None), "X_Halt"),
    ]
    read = outline.read_parts(parts)
    assert read.packed == "onetwox_halt"
    assert read.get_place(4) == Place(0, None)
    assert read.get_place(8) == Place(2, 2)


def test_only_names_that_are_no_words_count(outline: Outline) -> None:
    """`Halt` is a word; `rdtsc` is none, and `X_Halt` neither."""
    text = "Halt: rdtsc, RDTSC, SetAlarm and x_halt; setting an alarm"
    assert outline.list_named(text) == {
        Place(2, 1): 2,
        Place(2, 0): 1,
        Place(2, 2): 1,
    }


def test_rare_words_weigh_more(outline: Outline) -> None:
    """A word of one place tells more than one of several."""
    weights = outline.weigh("the wallclock counter is not an elephant")
    assert weights[outline.index[Place(2, None)]] > max(
        weights[outline.index[Place(2, 0)]],
        weights[outline.index[Place(2, 1)]],
    )
    assert outline.index[Place(0, None)] not in weights
    assert outline.weigh_common("wallclock", "the wallclock") > 0
    assert outline.weigh_common("elephant", "an elephant") == 0


def test_white_space_and_patch_marks_are_nothing() -> None:
    """Each mail program breaks lines anew, and `+` is a patch's."""
    assert pack(" +  Some\n+ words,\n\n\tHere") == "somewords,here"
    assert pack("a + b") == "a+b"


def test_terms_are_stems_of_what_means_something() -> None:
    """Plurals and endings go, identifiers stay, little words are left out."""
    words = "The MSRs of processes: interrupting X_INTERRUPTS, 5 a"
    assert list_terms(words) == [
        "msr",
        "proces",
        "interr",
        "x_interrupts",
        "5",
    ]
