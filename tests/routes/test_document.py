"""The document's pages."""

import re

import pytest
from fastapi.testclient import TestClient

from app.routes.document import link_calls, link_paragraphs
from app.services.document import SectionRow
from app.services.sections import parse_sections


def make_section(text: str) -> SectionRow:
    """Return a section of its own, without remarks."""
    [parsed] = parse_sections(f"# 2.5 Title\n\n{text}")
    return SectionRow(
        id=1,
        parent_id=None,
        position=0,
        level=1,
        number="2.5",
        anchor="title",
        title="Title",
        html=parsed.html,
        remarks=(),
    )


def test_the_whole_text_is_one_page(client: TestClient) -> None:
    answer = client.get("/document/")
    assert answer.status_code == 200
    text = answer.text
    assert text.count("data-section=") == 45
    assert "Contents</a></h2>" in text
    assert text.count('aria-label="Remarks on ') > 20
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_remarks_are_counted_through_the_page(client: TestClient) -> None:
    text = client.get("/document/").text
    numbers = re.findall(r'id="note-(\d+)"', text)
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]


def test_a_remark_on_an_item_links_to_it(client: TestClient) -> None:
    anchor = "architectural-differences-from-native-hardware"
    text = client.get(f"/document/{anchor}").text
    assert f'href="#{anchor}.item6">item 6</a>' in text
    assert f'<li id="{anchor}.item6">' in text


def test_a_section_page_holds_what_is_below(client: TestClient) -> None:
    text = client.get("/document/time-interface").text
    assert text.count("data-section=") == 3
    assert re.search(r'<h1 id="time-interface">', text)
    assert re.search(r'<h2 id="alarms">', text)
    assert 'aria-current="true"' in text
    assert 'rel="prev"' in text
    assert 'rel="next"' in text


def test_a_number_leads_to_the_section(client: TestClient) -> None:
    answer = client.get("/document/2.5", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["Location"] == (
        "/document/interrupt-and-i-o-subsystem"
    )


@pytest.mark.parametrize("name", ["nowhere", "2.99", "x" * 3000, "2.5%0A"])
def test_an_unknown_section_is_not_found(
    client: TestClient, name: str
) -> None:
    assert client.get(f"/document/{name}").status_code == 404


def test_a_call_named_in_code_is_a_link() -> None:
    html = "<p><code>VMI_Halt</code> and <code>VMI_Nothing</code></p>"
    assert link_calls(html, {"VMI_Halt": "/calls/VMI_Halt"}) == (
        '<p><a class="call" href="/calls/VMI_Halt">VMI_Halt</a> and '
        "<code>VMI_Nothing</code></p>"
    )


def test_a_paragraph_links_to_the_form_that_quotes_it() -> None:
    section = make_section('An "odd" & <b>old</b>\nline.')
    html = link_paragraphs(section, section.html, "/threads/new")
    link = re.search(r'<p id="title.p1"><a class="pilcrow"[^>]*></a>', html)
    assert link is not None
    assert (
        "/threads/new?section=title&amp;quote="
        "An+%22odd%22+%26+%3Cb%3Eold%3C%2Fb%3E+line."
    ) in link.group()
    assert 'aria-label="Comment on 2.5, p1"' in link.group()


def test_the_links_add_no_text() -> None:
    """Positions of annotations count the section's text as it was stored."""
    section = make_section("One.\n\n- a\n  - b\n\n1. c\n\n    code\n")
    html = link_paragraphs(section, section.html, "/threads/new")
    tags = re.compile(r"<[^>]+>")
    assert tags.sub("", html) == tags.sub("", section.html)
    assert html.count("pilcrow") == 4 - 1  # not the nested item


def test_a_quote_of_a_long_paragraph_is_cut() -> None:
    section = make_section("long " * 400)
    html = link_paragraphs(section, section.html, "/threads/new")
    found = re.search(r"quote=([^\"]+)\"", html)
    assert found is not None
    assert len(found.group(1)) == 300


def test_the_quote_of_each_paragraph_is_found_again(
    signed_in: TestClient,
) -> None:
    text = signed_in.get("/document/alarms").text
    links = re.findall(r'class="pilcrow" data-row href="([^"]+)"', text)
    assert len(links) > 8
    page = signed_in.get(links[0].replace("&amp;", "&"))
    assert page.status_code == 200
    assert "Each VCPU has two alarms" in page.text
