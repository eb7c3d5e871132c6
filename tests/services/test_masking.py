"""Addresses of mails are hidden in every form that text can give them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.masking import find_ids, link_ids, mask_addresses
from app.services.quotation import render_mail


def test_addresses_are_hidden_and_the_rest_is_kept() -> None:
    text = "Andi <ak@suse.de> wrote to a.b+c@x.example: @home, x@y"
    assert mask_addresses(text) == (
        "Andi <ak@xxxxxxx> wrote to a.b+c@xxxxxxxxx: @home, x@y"
    )


@pytest.mark.parametrize(
    "text",
    [
        "ak@suse.de",
        "mailto:ak@suse.de?subject=x",
        '"Andi Kleen"@suse.de',
        "ak(the one)@suse.de",
        "a'b@suse.de",
        "x+@suse.de",
        "x-@suse.de",
        "AK@SUSE.DE.",
        "ak@mail.suse.de,zach@suse.de",
        "ak@suse.xn--p1ai",
        "\N{LATIN SMALL LETTER U WITH DIAERESIS}@suse.de",
        "http://ak@suse.de/",
        "http://h.example/?to=ak@suse.de",
        "ak@[suse:1::2]",
    ],
)
def test_no_form_of_an_address_leaks(text: str) -> None:
    for shown in (
        mask_addresses(text),
        mask_addresses(render_mail(text)),
        mask_addresses(render_mail(f"> {text}\n> +{text}\n> +x\n")),
    ):
        assert not re.search("suse", shown, re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "+@app.route\n",
        "-@app.route(1)",
        "@app.route",
        " @param.x",
        "https://social.example/@ak.kleen",
        "libc.so@@GLIBC_2.4",
        "package@1.2.3",
        "a @ b.example",
    ],
)
def test_other_signs_stay(text: str) -> None:
    assert mask_addresses(text) == text


@given(st.text("ab.@-+ <>\n", max_size=40))
def test_what_is_hidden_keeps_its_length_and_hides_nothing_more(
    text: str,
) -> None:
    masked = mask_addresses(text)
    assert len(masked) == len(text)
    assert mask_addresses(masked) == masked
    assert masked.partition("@")[0] == text.partition("@")[0]


def test_a_stored_id_is_a_link_and_stays() -> None:
    html = render_mail("> <1.2@b.example> and <ak@suse.de>")
    assert find_ids(html) == {"1.2@b.example", "ak@suse.de"}
    linked = link_ids(html, {"1.2@b.example": "/m/1.2@b.example/"})
    shown = mask_addresses(linked)
    assert (
        '<a href="/m/1.2%40b.example/">&lt;1.2&#64;b.example&gt;</a>' in shown
    )
    assert "&lt;ak@xxxxxxx&gt;" in shown
    assert link_ids(html, {}) == html
