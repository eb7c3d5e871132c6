"""Trailers are read as they stand, and the last word counts."""

import pytest

from app.services.trailers import (
    Said,
    StanceKind,
    Trailer,
    compute_stances,
    find_trailers,
    get_name,
    is_trailer,
    read_kinds,
)

ACK = ("Acked-by", "A <a@x.example>")
NACK = ("Nacked-by", "a <other@x.example>")


def test_the_last_paragraph_is_read_with_its_other_keys() -> None:
    body = (
        "Text.\n\nCc: not@this.example\n\n"
        "reviewed-BY: A\n B <a@x.example>\nCc: b@x.example\n"
        'Fixes: 123456 ("x")\n-- \nAcked-by: signature\n'
    )
    assert find_trailers(body) == [
        Trailer("Reviewed-by", "A B <a@x.example>"),
        Trailer("Cc", "b@x.example"),
        Trailer("Fixes", '123456 ("x")'),
    ]


def test_a_trailer_below_a_sentence_is_one() -> None:
    assert find_trailers("Fine with me.\nAcked-by: A\nBye\n") == [
        Trailer("Acked-by", "A")
    ]


@pytest.mark.parametrize(
    "key", ["NACKed-by", "Nacked-by", "NAK-by", "Naked-by", "Nack-by"]
)
def test_a_nack_has_one_key(key: str) -> None:
    assert find_trailers(f"{key}: A\n") == [Trailer("Nacked-by", "A")]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("Ack.", "Ack"),
        ("NAK", "Nak"),
        ("Nacked, for it breaks", "Nacked"),
        ("ACK - go on", "Ack"),
        ("acked", "Acked"),
    ],
)
def test_a_bare_word_is_a_hint(line: str, key: str) -> None:
    assert find_trailers(f"> text\n{line}\n") == [Trailer(key, "")]


@pytest.mark.parametrize(
    "body",
    [
        "> Acked-by: quoted\n> Ack.\n",
        "+Acked-by: of a patch\n",
        "the ack. is late\nnakedness\nAcknowledge: x\n",
        "Acked-by:\n",
        "Go back.\n",
    ],
)
def test_other_lines_are_none(body: str) -> None:
    assert find_trailers(body) == []


def test_there_are_not_more_than_are_shown() -> None:
    found = find_trailers("Acked-by: " + "a" * 9000 + "\n" + "X-by: b\n" * 999)
    assert len(found) == 200
    assert len(found[0].value) == 500


def test_a_nack_takes_back_the_ack_of_the_same_person() -> None:
    stances = compute_stances(
        [
            Said("1", "Z", [ACK, ("Reviewed-by", "B"), ("Cc", "C")]),
            Said("2", "a <a@x.example>", [NACK]),
        ]
    )
    assert [(s.person, s.kind, s.message_id) for s in stances] == [
        ("a", StanceKind.nack, "2"),
        ("B", StanceKind.review, "1"),
    ]
    assert stances[0].replaces is StanceKind.ack


def test_a_later_ack_takes_back_the_nack() -> None:
    stances = compute_stances([Said("1", "a", [NACK]), Said("2", "a", [ACK])])
    assert [(s.kind, s.replaces) for s in stances] == [
        (StanceKind.ack, StanceKind.nack)
    ]


def test_a_hint_counts_only_of_who_says_nothing_more() -> None:
    mails = [Said("1", "A <a@x.example>", [("Nak", "")])]
    (hint,) = compute_stances(mails)
    assert (hint.person, hint.kind, hint.is_hint) == (
        *("A", StanceKind.nack),
        True,
    )
    said = compute_stances([*mails, Said("2", "B", [ACK])])
    assert [s.is_hint for s in said] == [False]


def test_a_key_may_say_two_things() -> None:
    assert read_kinds("Reviewed-and-tested-by") == [
        StanceKind.review,
        StanceKind.test,
    ]
    assert read_kinds("Signed-off-by") == []
    assert is_trailer("Signed-off-by: A")
    assert not is_trailer("Cc: A")


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Andi Kleen <ak@suse.de>", "Andi Kleen"),
        ('"Kleen, Andi" <ak@suse.de>', "Kleen, Andi"),
        ("ak@suse.de", "ak"),
        ("<ak@suse.de>", "ak"),
        ("ak@suse.de (Andi)", "Andi"),
        ('"ak@suse.de" <ak@suse.de>', "ak"),
        ("", ""),
    ],
)
def test_a_person_goes_by_name(sender: str, name: str) -> None:
    assert get_name(sender) == name
