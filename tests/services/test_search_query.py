"""The query language: what is understood, and where it is not."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidError
from app.services.search_dates import Period
from app.services.search_query import (
    DEEPEST,
    FACTS,
    LONGEST_QUERY,
    MOST_TERMS,
    And,
    Asker,
    Node,
    Not,
    Or,
    Words,
    list_words,
    parse_query,
)

NOW = datetime(2006, 3, 31, 15, 30, tzinfo=UTC)
ADA = Asker(NOW, "ada")
A, B, C = Words(("a",)), Words(("b",)), Words(("c",))


def fact(name: str, *words: str) -> Words:
    """Return what asks for a fact."""
    terms = (f"\ue000{name}\ue000{word}" for word in words)
    return Words(tuple(terms), FACTS)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("", None),
        ("  ", None),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a OR b c", Or((A, And((B, C))))),
        ("(a OR b) c", And((Or((A, B)), C))),
        ("a -b", And((A, Not(B)))),
        ("NOT a", Not(A)),
        ("-(a b)", Not(And((A, B)))),
        ("or and not", And(tuple(Words((w,)) for w in ("or", "and", "not")))),
        ('"a  B"', Words(("a", "b"))),
        ("VMI_SetCR3", Words(("vmi", "setcr3"))),
        ("VMI_Set*", Words(("vmi", "set"), is_prefix=True)),
        ('"to be*"', Words(("to", "be"), is_prefix=True)),
        ('"to be"*', Words(("to", "be"), is_prefix=True)),
        ("char *p", And((Words(("char",)), Words(("p",))))),
        ("--abbrev", Words(("abbrev",))),
        ("main()", Words(("main",))),
        ("http://a/b", Words(("http", "a", "b"))),
        ("s:a", Words(("a",), ("title",))),
        ("S:a", Words(("a",), ("title",))),
        ('b:"a b"', Words(("a", "b"), ("own", "quoted"))),
        ("-q:a", Not(Words(("a",), ("quoted",)))),
        ("is:Open", fact("is", "open")),
        ("is:message", fact("is", "mail")),
        ("is:mine", fact("mine", "ada")),
        ("stance:Blocking", fact("stance", "blocking")),
        ("is:in-force", fact("is", "in\ue001force")),
        ("clause:4.2", fact("clause", "4\ue0012")),
        ("call:VMI_Halt", fact("call", "vmi", "halt")),
        ('reviewer:"Andi Kleen"', fact("reviewer", "andi\ue001kleen")),
        ("d:2006..", Period(datetime(2006, 1, 1, tzinfo=UTC), None)),
    ],
)
def test_what_is_understood(text: str, node: Node | None) -> None:
    assert parse_query(text, ADA) == node


@pytest.mark.parametrize(
    ("text", "reason", "column"),
    [
        ("a foo:b", "no field is called 'foo:'", 3),
        ('a "b', "a quotation mark that is not closed", 3),
        ("a (b", "a ( that is not closed", 3),
        ("a b)", "a ) that closes nothing", 4),
        ("()", "a ) with nothing before it", 2),
        ("subject:x", "no field is called 'subject:'; it is s: here", 1),
        ("a OR", "nothing follows OR", 3),
        ("a  AND OR b", "nothing follows AND", 4),
        ("OR a", "OR and AND stand between two parts", 1),
        ("a -> b", "no letter or digit to look for in '>'", 4),
        ("x s:", "nothing follows s:", 5),
        ("s:(a b)", "s: takes no group", 3),
        ("a*", "two letters or more", 1),
        ("a is:blue", "nothing can be 'blue'", 3),
        ("stance:open", "no stance is 'open'", 1),
        ("d:20060231", "no day that there is", 1),
        ("NOT " * (DEEPEST + 1) + "a", "nested more than", 41),
        ("(" * (DEEPEST + 1), "nested more than", 11),
        ("ab " * (MOST_TERMS + 1), "more than 40 words", 121),
        ("a" * (LONGEST_QUERY + 1), "500 characters at most", 501),
    ],
)
def test_what_is_not_is_said_with_its_column(
    text: str, reason: str, column: int
) -> None:
    with pytest.raises(InvalidError) as refused:
        parse_query(text, ADA)
    (fault,) = refused.value.faults
    assert reason in fault.message
    assert fault.column == column
    assert f"(column {column})" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d:", "yesterday"),
        ("is:", "blocking concern nit"),
        ("stance:", "one of blocking working discussing"),
        ("s:(a b)", 'a word or a "phrase"'),
    ],
)
def test_a_field_says_what_it_takes(text: str, expected: str) -> None:
    with pytest.raises(InvalidError) as refused:
        parse_query(text, ADA)
    assert expected in (refused.value.faults[0].expected or "")


def test_mine_needs_a_name() -> None:
    with pytest.raises(InvalidError, match="sign in"):
        parse_query("is:mine", Asker(NOW))


def test_what_is_left_out_is_not_marked() -> None:
    node = parse_query("a (b OR -c) is:open", ADA)
    assert list(list_words(node)) == [A, B]


@given(
    st.text(
        st.one_of(st.sampled_from('"()-*:. \tORANDNOTsfdis'), st.characters()),
        max_size=120,
    )
)
def test_any_text_is_understood_or_refused_with_its_place(text: str) -> None:
    try:
        parse_query(text, ADA)
    except InvalidError as error:
        (fault,) = error.faults
        assert fault.column is not None
        assert 1 <= fault.column <= len(text) + 1


@pytest.mark.parametrize(
    "part", ["(", ")", '"', "-", "foo:", "*", "a*", "d:."]
)
def test_the_longest_query_is_read_at_once(part: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidError):
        parse_query((part * LONGEST_QUERY)[:LONGEST_QUERY], ADA)
    assert time.process_time() - began < 0.1
