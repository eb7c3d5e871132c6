"""Stances on a thread's page."""

import pytest

from tests.routes.crew import Crew


def test_a_stance_stands_on_the_page_and_in_its_post(crew: Crew) -> None:
    slug = crew.open_thread("ada", "stances")
    page = crew.browse("bob", f"/threads/{slug}").text
    assert "Nobody has taken a stance yet." in page
    typed = {"stance": "blocking", "stance-text": "Not **yet**."}
    answer = crew.browse("bob", f"/threads/{slug}/stance", typed)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/threads/{slug}#stances"
    page = crew.browse("bob", f"/threads/{slug}").text
    assert "Not <strong>yet</strong>." in page
    assert "Change your stance" in page
    assert 'value="blocking" checked' in page
    seen = crew.client.get(f"/threads/{slug}").text
    stances = seen[seen.index('id="stances"') : seen.index("</aside>")]
    assert "blocking" in stances
    assert ">bob</a>" in stances
    assert "<form" not in stances
    typed = {"stance": "blocking", "act": "withdraw"}
    crew.browse("bob", f"/threads/{slug}/stance", typed)
    page = crew.browse("bob", f"/threads/{slug}").text
    assert "Nobody has taken a stance yet." in page
    assert "Not <strong>yet</strong>." not in page


@pytest.mark.parametrize("is_part", [False, True])
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"stance": "blocking", "stance-text": " "}, "say what is wrong"),
        ({"stance": "angry", "stance-text": "Grr."}, "blocking"),
        ({"stance-text": "Grr."}, "this is required"),
        ({"act": "withdraw"}, "this is required"),
    ],
)
def test_a_refused_stance_keeps_what_was_typed(
    crew: Crew, typed: dict[str, str], message: str, is_part: bool
) -> None:
    slug = crew.open_thread("ada", f"refused {typed} {is_part}")
    answer = crew.browse(
        "bob", f"/threads/{slug}/stance", typed, is_part=is_part
    )
    assert answer.status_code == 422
    assert ("<html" in answer.text) is not is_part
    assert message in answer.text
    assert f"{typed.get('stance-text', '')}</textarea>" in answer.text
    assert 'class="fold" open' in answer.text


def test_htmx_gets_the_list_and_the_post(crew: Crew) -> None:
    slug = crew.open_thread("ada", "parts")
    address = f"/threads/{slug}/stance"
    typed = {"stance": "working", "stance-text": "I look."}
    first = crew.browse("bob", address, typed, is_part=True).text
    assert 'id="stances"' in first
    assert '<hx-partial hx-target="#posts" hx-swap="beforeend">' in first
    assert "<p>I look.</p>" in first
    typed = {"stance": "satisfied", "stance-text": ""}
    second = crew.browse("bob", address, typed, is_part=True).text
    assert 'hx-target="#said-' in second
    assert "I look." not in second
    typed = {"act": "withdraw"}
    third = crew.browse("bob", address, typed, is_part=True).text
    assert "<i>deleted</i>" in third
    alone = crew.browse("bob", address, is_part=True).text
    assert alone.lstrip().startswith('<section id="stances"')
    assert "<html" in crew.browse("bob", address).text


def test_who_may_not_write_takes_no_stance(crew: Crew) -> None:
    slug = crew.open_thread("ada", "readers")
    typed = {"stance": "satisfied"}
    address = f"/threads/{slug}/stance"
    assert crew.browse("eve", address, typed).status_code == 403
    assert "Take a stance" not in crew.browse("eve", f"/threads/{slug}").text
    assert crew.client.post(address, data=typed).status_code == 401
    nowhere = crew.browse("bob", "/threads/none/stance", typed)
    assert nowhere.status_code == 404
