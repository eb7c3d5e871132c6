"""The trees that mails make: RFC 5256 REFERENCES, step by step.

`tests/oracles/test_dovecot.py` holds them against another implementation.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.base_subject import compute_base_subject
from app.services.conversation_tree import (
    Mail,
    Tree,
    build_trees,
    compute_date,
)

DEEP = 20_000


def mail(
    name: str,
    references: str = "",
    subject: str = "",
    date: int = 0,
    *,
    is_cut: bool = False,
) -> Mail:
    """Return a mail whose key is its name's place in the alphabet."""
    base = compute_base_subject(subject)
    return Mail(ord(name), name, references.split(), *base, date, is_cut)


def draw(trees: Sequence[Tree]) -> list[str]:
    """Return trees as lines: depth by dots, guesses by a question mark."""
    return [
        "." * place.depth + chr(place.key) + "?" * place.is_guessed
        for tree in trees
        for place in tree.places
    ]


def build(*mails: Mail) -> list[str]:
    """Return the drawing of the trees of mails."""
    return draw(build_trees(mails))


def test_references_link_what_came_and_what_did_not() -> None:
    """Step 1: a mail that never came is passed over, not lost."""
    assert build(mail("c", "a b"), mail("a"), mail("d", "a b c")) == [
        "a",
        ".c",
        "..d",
    ]


def test_a_mail_says_itself_what_it_answers() -> None:
    """Step 1 C: its own last reference wins over what others named."""
    assert build(mail("c", "a b"), mail("a"), mail("b", "x"), mail("x")) == [
        "a",
        "x",
        ".b",
        "..c",
    ]
    assert build(mail("a"), mail("c", "a b"), mail("b")) == ["a", "b", ".c"]


def test_a_link_that_others_named_first_stays() -> None:
    """Step 1 B: of two parents of a mail that never came, the first."""
    assert build(mail("a"), mail("b"), mail("c", "a x"), mail("d", "b x")) == [
        "a",
        ".c",
        ".d",
        "b",
    ]


@pytest.mark.parametrize(
    ("mails", "drawn"),
    [
        ([mail("a", "a")], ["a"]),
        ([mail("a", "b"), mail("b", "a")], ["b", ".a"]),
        ([mail("a", "c b"), mail("b", "a")], ["b", ".a"]),
        (
            [mail("a", "b"), mail("b", "c"), mail("c", "a")],
            ["c", ".b", "..a"],
        ),
        ([mail("a", "b b b"), mail("b")], ["b", ".a"]),
    ],
)
def test_no_loop_is_made(mails: Sequence[Mail], drawn: list[str]) -> None:
    """Step 1: a link that would close a loop is left out."""
    assert build(*mails) == drawn


def test_who_answers_the_same_lost_mail_stands_together() -> None:
    """Step 3: at the top, one child is promoted, two keep their place."""
    assert build(mail("a", "lost")) == ["a"]
    assert build(mail("b", "lost"), mail("a", "lost", date=-1)) == [
        ".a",
        ".b",
    ]
    (tree,) = build_trees([mail("a", "lost"), mail("b", "lost")])
    assert tree.root == "lost"


def test_the_second_of_an_id_has_no_answers() -> None:
    first, second = mail("a"), Mail(ord("z"), "a", ["b"], "", False, 0)
    assert build(mail("b"), first, second, mail("c", "a")) == [
        "b",
        ".z",
        "a",
        ".c",
    ]


def test_a_mail_without_id_is_one_of_its_own() -> None:
    nameless = [Mail(ord(k), None, [], "", False, 0) for k in "xy"]
    trees = build_trees([*nameless, mail("a")])
    assert draw(trees) == ["x", "y", "a"]
    assert [tree.root for tree in trees] == ["", "", "a"]


def test_siblings_stand_by_date_then_by_arrival() -> None:
    """Step 6; a parent stands above, whatever its date."""
    mails = [mail("a", date=9)]
    mails += [mail("b", "a", date=3), mail("c", "a", date=1)]
    mails += [mail("d", "a", date=1), mail("e", "a c", date=-5)]
    assert build(*mails) == ["a", ".c", "..e", ".d", ".b"]


def test_trees_stand_by_the_date_of_their_top() -> None:
    assert build(mail("a", date=2), mail("b", date=1)) == ["b", "a"]


def test_a_reply_is_guessed_to_answer_what_has_its_subject() -> None:
    """Step 5: the mail that is no reply is the parent."""
    mails = mail("a", "", "Re: s", 1), mail("b", "", "s", 2)
    assert build(*mails) == ["b", ".a?"]


def test_equals_are_guessed_to_be_siblings() -> None:
    """Step 5 C: where neither is the other's answer, both hang under none."""
    for subjects in (("s", "s"), ("Re: s", "Re: s")):
        mails = [mail(n, "", s) for n, s in zip("ab", subjects, strict=True)]
        (tree,) = build_trees(mails)
        assert draw([tree]) == [".a?", ".b?"]
        assert tree.root == ""


def test_a_lost_mail_gathers_before_others() -> None:
    """Step 5 B: what has no mail is the parent, of other such ones too."""
    lost = [mail("a", "x", "Re: s", 1), mail("b", "x", "Re: s", 2)]
    alone = mail("c", "", "s", 3)
    more = [mail("d", "y", "Re: s", 4), mail("e", "y", "Re: s", 5)]
    (tree,) = build_trees([*lost, alone, *more])
    assert draw([tree]) == [".a", ".b", ".c?", ".d?", ".e?"]
    assert tree.root == "x"


def test_empty_subjects_gather_nothing() -> None:
    assert build(mail("a", "", ""), mail("b", "", "Re:")) == ["a", "b"]


def test_an_answer_is_not_gathered_by_its_subject() -> None:
    """Step 5 looks at tops alone."""
    mails = mail("a", "", "s"), mail("b", "a", "other"), mail("c", "", "other")
    assert build(*mails) == ["a", ".b", "c"]


def test_what_is_cut_is_joined_to_nothing() -> None:
    top, answer = mail("a", "", "s"), mail("b", "", "Re: s", is_cut=True)
    assert build(top, answer, mail("c", "b", "Re: s")) == ["a", "b", ".c"]
    assert build(top, answer, mail("d", "", "Re: s")) == ["a", ".d?", "b"]


def test_a_cut_holds_for_those_that_answer_the_same_lost_mail() -> None:
    lost = [mail("b", "x", "Re: s"), mail("c", "x", "Re: s", is_cut=True)]
    assert build(mail("a", "", "s"), *lost) == ["a", ".b", ".c"]


def test_a_cut_is_nothing_to_a_mail_that_names_its_parent() -> None:
    answer = mail("b", "a", "Re: s", is_cut=True)
    assert build(mail("a", "", "s"), answer) == ["a", ".b"]


def test_a_chain_of_any_length_is_read() -> None:
    """Depth costs no recursion, whichever end comes first."""
    chain = [
        Mail(n, str(n), [str(n - 1)] if n else [], "", False, 0)
        for n in range(DEEP)
    ]
    for mails in (chain, chain[::-1]):
        (tree,) = build_trees(mails)
        assert [place.depth for place in tree.places] == list(range(DEEP))


def test_one_mail_that_names_all_is_read() -> None:
    names = [str(n) for n in range(DEEP)]
    mails = [Mail(n, f"m{n}", names, "", False, 0) for n in range(20)]
    (tree,) = build_trees(mails)
    assert len(tree.places) == 20


@pytest.mark.parametrize(
    ("sent", "second"),
    [
        (datetime(2006, 3, 22, tzinfo=UTC), 1_142_985_600),
        (datetime(1970, 1, 1, tzinfo=UTC), 7),
        (datetime(1950, 1, 1, tzinfo=UTC), 7),
        (None, 7),
    ],
)
def test_a_date_that_is_none_is_that_of_the_arrival(
    sent: datetime | None, second: int
) -> None:
    arrived = datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)
    assert compute_date(sent, arrived) == second


names = st.sampled_from("abcdef")


@given(
    st.lists(
        st.builds(
            mail,
            names,
            st.lists(names, max_size=3).map(" ".join),
            st.sampled_from(["s", "Re: s", ""]),
            st.integers(0, 3),
            is_cut=st.booleans(),
        ),
        max_size=8,
        unique_by=lambda each: each.key,
    )
)
def test_every_mail_has_one_place(mails: list[Mail]) -> None:
    """Parents stand above their answers, one level up; nothing is lost."""
    places = [place for tree in build_trees(mails) for place in tree.places]
    assert sorted(p.key for p in places) == sorted(m.key for m in mails)
    depths: dict[int, int] = {}
    for place in places:
        if place.parent is None:
            assert place.depth in {0, 1}
        else:
            assert depths[place.parent] == place.depth - 1
        depths[place.key] = place.depth
