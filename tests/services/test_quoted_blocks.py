"""Quoted blocks of a mail's text, and the answers under them."""

import time

from hypothesis import given
from hypothesis import strategies as st

from app.services.quoted_blocks import (
    MOST_BLOCKS,
    MOST_DEPTH,
    find_blocks,
)


def test_block_is_a_run_of_equal_depth_with_the_answer_below() -> None:
    """Positions are code points of the body; marks are no part of the text."""
    body = "Ada wrote:\n> first\n> line\n\nMy änswer.\n\n> second\n\nMore.\n"
    first, second = find_blocks(body)
    assert (first.position, first.depth, first.text) == (0, 1, "first\nline")
    assert body[first.start : first.end] == "> first\n> line"
    assert body[first.reply_start : first.reply_end] == first.reply
    assert (first.reply, second.reply) == ("My änswer.", "More.")


def test_quote_of_a_quote_has_the_answer_to_both() -> None:
    """An answer reaches through what is quoted less and less deep."""
    deep, shallow = find_blocks(">> the text\n> a remark\n\nAn answer.\n")
    assert (deep.depth, shallow.depth) == (2, 1)
    assert deep.reply == shallow.reply == "An answer."


def test_answer_is_to_the_last_of_several() -> None:
    """A block that another one follows, quoted as deep, has no answer."""
    first, second = find_blocks("> one\n\n> two\n\nAn answer.\n")
    assert (first.reply, second.reply) == ("", "An answer.")
    assert first.reply_start == first.reply_end == first.end


def test_who_said_it_is_no_quote() -> None:
    """Attributions go, on one line, on two, and alone."""
    body = (
        "On Monday Ada wrote:\n"
        "> On Sunday, 12 March 2006,\n"
        "> Charles Babbage wrote:\n"
        ">> text\n"
        "\n"
        "> On Monday, Grace wrote:\n"
        "\n"
        "Mine.\n"
    )
    (block,) = find_blocks(body)
    assert (block.depth, block.text) == (2, "text")


def test_empty_lines_of_a_patch_are_nothing() -> None:
    """Blank lines, and those of which `+` is left, belong to no block."""
    body = "> +\n> \n>> +  text\n>> +\n\nMine.\n+\n"
    (block,) = find_blocks(body)
    assert block.text == "+  text"
    assert block.reply == "Mine."


def test_signature_is_no_answer() -> None:
    """What stands below `-- ` is not said about anything."""
    (block,) = find_blocks("> text\n\nMine.\n-- \nAda\n")
    assert block.reply == "Mine."


def test_body_without_quotes_has_no_blocks() -> None:
    """Nothing is quoted in nothing, nor in what is all own."""
    assert find_blocks("") == []
    assert find_blocks("mine\n\nmine\n") == []


def test_hostile_body_is_bounded() -> None:
    """Blocks, depth and time have bounds, whatever is sent."""
    started = time.process_time()
    many = find_blocks("> a\nb\n" * 100_000)
    (deep,) = find_blocks(">" * 500_000 + " text")
    find_blocks("> " * 250_000 + "\n" + "> On " * 100_000 + " wrote:\n>> x")
    assert len(many) == MOST_BLOCKS
    assert deep.depth == MOST_DEPTH
    assert time.process_time() - started < 5


@given(
    st.lists(
        st.text(st.sampled_from(">+ aB\té\u2028\r-"), max_size=8), max_size=20
    )
)
def test_blocks_lie_in_the_body_in_order(lines: list[str]) -> None:
    """Whatever the lines: blocks do not overlap, answers come after them."""
    body = "\n".join(lines)
    blocks = find_blocks(body)
    assert [b.position for b in blocks] == list(range(len(blocks)))
    at = 0
    for block in blocks:
        assert at <= block.start < block.end <= block.reply_start
        assert block.reply_start <= block.reply_end <= len(body)
        assert block.depth > 0
        assert block.text.strip()
        at = block.end
