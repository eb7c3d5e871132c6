"""Drafts: an address holds a whole text, and no harm."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config import ROOT
from app.errors import InvalidError, NotFoundError
from app.services import drafts
from app.services.drafts import LONGEST, TEXT_BYTES, pack, unpack
from app.sim import explore, parse_scenario

SCENARIOS = ROOT / "app" / "corpus" / "vmi" / "scenarios"
DICTIONARY = "5fcc9d5e67c5f2592b06327fff3a2e41b9c220fe421d28dfc0fd880ea69743bd"
MADE_BEFORE = "1A6U8UOQBAA"


def wrap(raw: bytes) -> str:
    """Return bytes as an address would hold them."""
    return "1" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem
)
def test_the_questions_of_the_corpus_have_addresses(path: object) -> None:
    text = path.read_text("utf-8")  # type: ignore[attr-defined]
    packed = pack(text)
    assert packed is not None
    assert unpack(packed) == text


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back(text: str) -> None:
    packed = pack(text)
    assert packed is not None
    assert unpack(packed) == text
    assert set(packed) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def test_addresses_made_before_are_read_for_ever() -> None:
    """The dictionary is part of each address: it must not change."""
    content = drafts.DICTIONARY.read_bytes()
    assert hashlib.sha256(content).hexdigest() == DICTIONARY
    assert pack("cli\nhlt\n") is not None
    assert unpack(MADE_BEFORE) == "cli\nhlt\n"


def test_a_text_too_long_for_an_address_has_none() -> None:
    noise = "".join(
        hashlib.sha256(str(n).encode()).hexdigest() for n in range(200)
    )
    assert pack(noise) is None


def test_a_text_that_no_address_may_hold_gets_none() -> None:
    """However short its address would be: nobody could open it."""
    longest = "#" * TEXT_BYTES
    packed = pack(longest)
    assert packed is not None
    assert unpack(packed) == longest
    assert pack(longest + "#") is None


@pytest.mark.parametrize(
    "packed",
    [
        "",
        "1",
        "2AAAA",
        "1!!!!",
        "1ABC",
        "1é",
        "1\ud800",
        "1AAAAA",
        "1" + "A" * LONGEST,
        wrap(b""),
        wrap(zlib.compress(b"with a head")),
        wrap(b"\xff" * 40),
    ],
)
def test_an_address_that_is_none_is_refused(packed: str) -> None:
    with pytest.raises(InvalidError) as refused:
        unpack(packed)
    assert [fault.pointer for fault in refused.value.faults] == ["/q"]


def test_every_cut_of_an_address_is_refused() -> None:
    packed = pack((SCENARIOS / "kleen-sti-shadow.toml").read_text("utf-8"))
    assert packed is not None
    for length in range(1, len(packed), 7):
        with pytest.raises(InvalidError):
            unpack(packed[:length])
    with pytest.raises(InvalidError):
        unpack(packed + "AAAA")


def test_what_is_no_text_is_refused() -> None:
    packer = zlib.compressobj(wbits=-15, zdict=drafts.DICTIONARY.read_bytes())
    with pytest.raises(InvalidError):
        unpack(wrap(packer.compress(b"\xff\xfe") + packer.flush()))


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    """Megabytes of one letter in a short address: 64 KiB are unpacked."""
    packer = zlib.compressobj(9, wbits=-15)
    bomb = wrap(packer.compress(b"a" * 5_000_000) + packer.flush())
    assert len(bomb) < LONGEST
    with pytest.raises(InvalidError) as refused:
        unpack(bomb)
    assert str(TEXT_BYTES) in refused.value.faults[0].message


@pytest.mark.parametrize(
    "starter", drafts.list_starters(), ids=lambda starter: starter.name
)
def test_a_small_question_has_answers(starter: drafts.Starter) -> None:
    report = explore(parse_scenario(starter.text, slug="posted"))
    answers = {
        answer.answer
        for part in report.platforms
        for answer in part.answers.values()
    }
    assert answers <= {"always", "sometimes", "never"}
    assert starter.title
    assert drafts.read_starter(starter.name) == starter


def test_there_are_some_small_questions_and_no_others() -> None:
    assert len(drafts.list_starters()) == 4
    with pytest.raises(NotFoundError):
        drafts.read_starter("none")
