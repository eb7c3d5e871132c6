"""Asking: refused with a place, run, shared, saved; nothing typed is lost."""

import re
from html import unescape

import pytest
from fastapi.testclient import TestClient

from app.config import ROOT
from app.db import Database
from app.errors import Fault
from app.routes.ask import build_excerpt
from app.services import drafts, entries
from app.services.explorer import Explorer, start_inline
from tests.routes.test_whatif import read_text

SCENARIOS = ROOT / "app" / "corpus" / "vmi" / "scenarios"
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


def read_area(html: str) -> str:
    """Return what stands in the editor of a page."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", html, re.DOTALL)
    assert found
    return unescape(found[1])


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
    run_id = response.url.path.rpartition("/")[2]
    assert read_area(client.get(f"/whatif/new?run={run_id}").text) == TEXT


def test_platforms_and_policies_are_asked_as_chosen(
    client: TestClient,
) -> None:
    typed = {
        "scenario_text": TEXT,
        "on_native": "yes",
        "nmi": "delivered",
        "tsc": "",
    }
    run = client.post("/runs/", data=typed)
    report = client.get(f"/api{run.url.path}").json()
    (part,) = report["platforms"]
    assert part["platform"] == "native"
    assert part["policies"]["nmi"] == "delivered"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "Does the processor sleep for good"),
        ("?starter=wake-up", "Can the idle loop sleep"),
        ("?scenario=kleen-watchdog-nmi", "VMI_DisableInterrupts"),
        ("?scenario=&starter=&run=", "Does the processor sleep for good"),
    ],
)
def test_the_editor_begins_with_a_question(
    client: TestClient, query: str, said: str
) -> None:
    assert said in read_area(client.get(f"/whatif/new{query}").text)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("scenario=none", 404),
        ("starter=none", 404),
        ("run=none", 404),
        ("q=", 422),
        ("q=1AAAA", 422),
        ("q=2" + "A" * 100, 422),
        ("q=" + "A" * 7001, 422),
        ("nmi=maybe", 422),
    ],
)
def test_an_address_that_holds_nothing_is_refused(
    client: TestClient, query: str, status: int
) -> None:
    assert client.get(f"/whatif/new?{query}").status_code == status


def test_an_address_holds_the_whole_question(client: TestClient) -> None:
    """Nothing is stored: the address alone brings back all that was typed."""
    typed = {"scenario_text": TEXT, "on_native": "yes", "nmi": "delivered"}
    response = client.post("/whatif/links", data=typed)
    assert response.history[0].status_code == 303
    assert response.url.path == "/whatif/new"
    assert read_area(response.text) == TEXT
    page = re.sub(r"\s+", " ", response.text)
    assert 'name="on_native" value="yes" checked' in page
    assert 'name="on_software" value="yes">' in page
    assert '<option value="delivered" selected>' in page
    assert "its answer" not in read_text(response.text)
    run = client.post("/runs/", data=typed)
    again = client.get(str(response.url))
    assert run.url.path in again.text
    assert "its answer" in read_text(again.text)


def test_a_text_with_a_control_character_has_no_address(
    client: TestClient,
) -> None:
    packed = drafts.pack("a\x01b")
    assert client.get(f"/whatif/new?q={packed}").status_code == 422
    response = client.post("/whatif/links", data={"scenario_text": "\x01"})
    assert response.status_code == 422


def test_a_text_too_long_for_an_address_says_so(client: TestClient) -> None:
    noise = "".join(
        f"# {hash(str(n)) & 0xFFFFFFFFFFFF:x}\n" for n in range(999)
    )
    response = client.post("/whatif/links", data={"scenario_text": noise})
    assert response.status_code == 422
    assert "too long for an address" in read_text(response.text)
    assert read_area(response.text) == noise


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question = ", "line 1, column"),
        (TEXT.replace("hlt", "halt"), "line 5, column 9"),
        ("x" * 65537, "65536"),
        ("\x01", "U+0001"),
        ("", "line 1"),
    ],
)
def test_a_refused_text_comes_back_with_its_place(
    client: TestClient, text: str, message: str
) -> None:
    response = client.post("/runs/", data={"scenario_text": text})
    assert response.status_code == 422
    assert message in read_text(response.text)
    assert read_area(response.text) == text
    assert 'aria-invalid="true"' in response.text


def test_a_form_without_a_text_is_refused(client: TestClient) -> None:
    response = client.post("/runs/", data={"nmi": "delivered"})
    assert response.status_code == 422
    assert "this is required" in read_text(response.text)
    wrong = {"scenario_text": TEXT, "nmi": "maybe"}
    assert client.post("/runs/", data=wrong).status_code == 422


def test_the_wrong_line_is_shown_with_a_mark() -> None:
    fault = Fault("", "", line=2, column=3)
    assert build_excerpt("a\n\tbc\n", fault) == "\tbc\n\t ^"
    assert build_excerpt("a", fault) is None


def test_the_editor_is_told_what_is_wrong_where(client: TestClient) -> None:
    wrong = TEXT.replace("hlt", "halt")
    found = client.post("/whatif/check", data={"scenario_text": wrong}).json()
    (error,) = found["errors"]
    assert (error["line"], error["column"]) == (5, 9)
    assert error["message"]
    assert error["expected"]
    link = found["link"]
    assert read_area(client.get(link).text) == wrong
    right = client.post("/whatif/check", data={"scenario_text": TEXT}).json()
    assert right["errors"] == []
    none = client.post("/whatif/check", data={}).json()
    assert none["errors"][0]["message"] == "this is required"


def test_the_editor_gets_the_words_that_fit(client: TestClient) -> None:
    words = client.get("/whatif/words").json()
    code = {word for word, _ in words["code"]}
    assert {"VMI_EnableInterrupts", "VMI_SetPte", "hlt", "eax"} <= code
    assert {"irq0", "nmi"} <= {word for word, _ in words["events"]}
    assert "delivered" in words["values"]["nmi"]
    assert all(hint for word, hint in words["code"] if word.startswith("VMI"))


def test_a_question_is_saved_and_stands_on_the_list(
    signed_in: TestClient, database: Database
) -> None:
    typed = {"scenario_text": TEXT, "name": "sleep"}
    response = signed_in.post("/whatif/", data=typed)
    assert response.history[0].status_code == 303
    assert response.url.path == "/whatif/asked-sleep"
    text = read_text(response.text)
    assert "asked by ada" in text
    assert "it always happens that the processor" in text
    matrix = signed_in.get("/whatif/")
    assert "/whatif/asked-sleep" in matrix.text
    # what stands alone has no dot before it
    assert '<span class="meta">asked by' in matrix.text
    latest = re.search(
        r"scenario saved:\s*<a href=\"/whatif/asked-sleep\">asked-sleep</a>",
        signed_in.get("/").text,
    )
    assert latest
    assert "asked by ada" in read_text(matrix.text)
    edited = signed_in.get("/whatif/new?scenario=asked-sleep")
    assert read_area(edited.text) == TEXT
    assert 'value="sleep"' in edited.text
    changed = typed | {"scenario_text": TEXT.replace("cli", "sti")}
    again = signed_in.post("/whatif/", data=changed)
    assert again.url == response.url
    with database.read() as session:
        types = [line.type for line in entries.list_entries(session)]
    assert types[-4:] == [
        "scenario.saved",
        "scenario.explored",
        "scenario.replaced",
        "scenario.explored",
    ]


@pytest.mark.parametrize(
    ("typed", "status", "message"),
    [
        ({"name": "No Name"}, 422, "lower-case letters"),
        ({"name": ""}, 422, "lower-case letters"),
        ({}, 422, "lower-case letters"),
        ({"name": "a", "scenario_text": "x"}, 422, "line 1"),
        (
            {"name": "a", "scenario_text": 'objection = "none"\n' + TEXT},
            422,
            "no thread is called",
        ),
    ],
)
def test_what_cannot_be_saved_comes_back(
    signed_in: TestClient, typed: dict[str, str], status: int, message: str
) -> None:
    sent = {"scenario_text": TEXT, **typed}
    response = signed_in.post("/whatif/", data=sent)
    assert response.status_code == status
    assert message in read_text(response.text)
    assert read_area(response.text) == sent["scenario_text"]


def test_nobody_saves_without_a_name(client: TestClient) -> None:
    response = client.post(
        "/whatif/", data={"scenario_text": TEXT, "name": "a"}
    )
    assert response.status_code == 403
    assert "sign in as a reviewer" in read_text(response.text)
    assert read_area(response.text) == TEXT
    assert "/whatif/new%3Fq%3D1" in response.text
