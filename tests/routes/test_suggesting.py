"""Suggesting an edit from a selection."""

from fastapi.testclient import TestClient

QUOTE = "Missed periods are not made up."
FORM = "/document/suggestions/new"


def test_the_form_starts_with_what_was_selected(
    signed_in: TestClient,
) -> None:
    text = signed_in.get(
        FORM, params={"section": "alarms", "quote": "<b> & c", "start": "7"}
    ).text
    assert text.count("&lt;b&gt; &amp; c</textarea>") == 2
    assert 'name="section" value="alarms"' in text
    assert 'name="start" value="7"' in text


def test_a_suggestion_stands_beside_its_passage(
    signed_in: TestClient,
) -> None:
    answer = signed_in.post(
        "/document/suggestions/",
        data={"section": "alarms", "quote": QUOTE, "text": "They <count>."},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    text = signed_in.get(answer.headers["location"]).text
    assert "<i>suggests an edit</i>" in text
    assert "They &lt;count&gt;." in text
    assert (
        "They &lt;count&gt;." in signed_in.get("/document/suggestions/").text
    )


def test_what_is_refused_is_shown_again(signed_in: TestClient) -> None:
    answer = signed_in.post(
        "/document/suggestions/",
        data={"section": "alarms", "quote": "no such", "text": "Else."},
    )
    assert answer.status_code == 422
    assert "expected text of the section" in answer.text
    assert "Else.</textarea>" in answer.text
    empty = signed_in.post("/document/suggestions/", data={})
    assert empty.status_code == 422


def test_readers_are_asked_to_sign_in(client: TestClient) -> None:
    answer = client.post(
        "/document/suggestions/",
        data={"section": "alarms", "quote": QUOTE, "text": "Else."},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 401
