"""Asking: refused with a place, run, and nothing typed is lost."""

import pytest
from fastapi.testclient import TestClient

from app.errors import Fault
from app.routes.ask import build_excerpt
from app.services.explorer import Explorer, start_inline
from tests.routes.test_whatif import read_text

TEXT = """\
question = "Does it <b>sleep</b>?"
[code]
kernel = '''
        cli
        hlt
'''
[outcomes]
sleeps = { when = "end", is = "halted", text = "the processor <i>sleeps</i>" }
"""


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """Return a client whose application explores in its own process."""
    client.app.state.explorer = Explorer(  # type: ignore[attr-defined]
        workers=1, seconds=10, start=start_inline
    )
    return client


def test_a_question_of_ones_own_becomes_a_run(client: TestClient) -> None:
    sent = TEXT.replace("\n", "\r\n")
    response = client.post("/runs/", data={"scenario_text": sent})
    assert response.status_code == 200
    assert response.history[0].status_code == 303
    assert "a question that is not on the list" in read_text(response.text)
    assert "<b>sleep</b>" not in response.text
    assert "<i>sleeps</i>" not in response.text
    assert "it always happens that the processor" in read_text(response.text)
    again = client.post("/runs/", data={"scenario_text": TEXT})
    assert again.url == response.url


def test_the_form_begins_with_a_question(client: TestClient) -> None:
    assert "[code]" in client.get("/whatif/new").text
    page = client.get("/whatif/new?scenario=kleen-watchdog-nmi").text
    assert "VMI_DisableInterrupts" in page
    assert client.get("/whatif/new?scenario=none").status_code == 404


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question = ", "line 1, column"),
        (TEXT.replace("hlt", "halt"), "line 5, column 9"),
        ("x" * 65537, "65536"),
        ("\x01", "U+0001"),
    ],
)
def test_a_refused_text_comes_back_with_its_place(
    client: TestClient, text: str, message: str
) -> None:
    response = client.post("/runs/", data={"scenario_text": text})
    assert response.status_code == 422
    assert message in read_text(response.text)
    assert text[:500] in response.text.replace("&#34;", '"').replace(
        "&#39;", "'"
    ).replace("&lt;", "<").replace("&gt;", ">")


def test_the_wrong_line_is_shown_with_a_mark() -> None:
    fault = Fault("", "", line=2, column=3)
    assert build_excerpt("a\n\tbc\n", fault) == "\tbc\n\t ^"
    assert build_excerpt("a", fault) is None
