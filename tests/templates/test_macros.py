"""What the macros say to eyes and to screen readers."""

import re
from types import SimpleNamespace

import pytest
from markupsafe import escape

from app.pages import get_environment

THREAD = SimpleNamespace(
    slug="kleen-sti-shadow",
    title="No shadow <after> the call",
    opener="Andi Kleen",
    kind="objection",
    outcome="deferred",
    severity="blocking",
    replies=1,
)


def render(macros: str, call: str, **context: object) -> str:
    """Return what one macro call gives."""
    name = call.split("(", 1)[0]
    source = (
        f'{{% from "macros/{macros}.html" import {name} with context %}}'
        f"{{{{ {call} }}}}"
    )

    def url_for(route: str, **parts: str) -> str:
        return "/".join(["", route, *parts.values()])

    return (
        get_environment()
        .from_string(source)
        .render(url_for=url_for, thread=THREAD, **context)
    )


def speak(html: str) -> str:
    """Return the text of a fragment, as a screen reader has it."""
    return " ".join(re.sub(r"<[^>]*>", "", html).split())


@pytest.mark.parametrize(
    ("word", "spoken"),
    [
        ("always", "always"),
        ("sometimes", "sometimes"),
        ("never", "never"),
        ("unspecified", "unspecified"),
        ("not-modelled", "not modelled"),
        ("limit", "limit reached"),
    ],
)
def test_answer_is_a_sign_and_a_word(word: str, spoken: str) -> None:
    html = render("answer", f"answer('{word}')")
    assert f'href="#sign-{word}"' in html
    assert speak(html) == spoken


def test_answer_says_that_it_differs_and_from_what() -> None:
    html = render("answer", "answer('always', 'not-modelled')")
    assert 'class="differs"' in html
    assert speak(html) == "always differs: not modelled expected"


def test_answer_as_expected_is_not_marked() -> None:
    html = render("answer", "answer('never', 'never')")
    assert "differs" not in html


def test_answer_links_to_where_it_is_shown() -> None:
    html = render("answer", "answer('never', none, '/runs/1')")
    assert html.startswith('<a href="/runs/1">')
    assert html.endswith("</a>")


@pytest.mark.parametrize("outcome", ["deferred", "unanswered"])
def test_state_of_an_open_thread_has_its_severity_first(outcome: str) -> None:
    html = render("state", f"state('{outcome}', 'blocking')")
    assert speak(html) == f"blocking {outcome}"


@pytest.mark.parametrize("outcome", ["answered", "conceded", "disputed"])
def test_state_of_a_settled_thread_is_its_outcome(outcome: str) -> None:
    html = render("state", f"state('{outcome}', 'blocking')")
    assert speak(html) == outcome


def test_mark_is_silent_to_the_eye_only() -> None:
    html = render("state", "mark('disputed')")
    assert '<span class="hidden-text">disputed</span>' in html


@pytest.mark.parametrize("kind", ["answers", "threads", "map"])
def test_legend_opens_by_one_key(kind: str) -> None:
    html = render("legend", f"legend('{kind}')")
    assert '<summary data-key="l"' in html
    assert ("executes" in html) == (kind == "map")


def test_cell_speaks_the_prefix_that_it_does_not_show() -> None:
    html = render("call", "cell('VMI_Halt', 'blocking', true, 2)")
    assert speak(html) == "VMI_Halt, blocking, 2 threads, executable"
    assert '<span class="hidden-text">VMI_</span>Halt' in html
    assert 'href="/show_call/VMI_Halt"' in html


def test_cell_of_a_quiet_call_has_no_sign() -> None:
    html = render("call", "cell('VMI_INVD')")
    assert "<svg" not in html
    assert speak(html) == "VMI_INVD"


def test_calls_are_parted_by_commas() -> None:
    html = render("call", "calls(['VMI_Halt', 'VMI_IRET'])")
    assert speak(html) == "VMI_Halt, VMI_IRET"


def test_row_escapes_and_counts() -> None:
    html = render("thread", "row(thread)")
    assert escape(THREAD.title) in html
    assert "1 reply" in html
    assert " data-row" in html


def test_note_is_numbered_and_can_be_pointed_at() -> None:
    html = render("thread", "note(thread, 7)")
    assert 'id="note-7"' in html
    assert speak(html).startswith("7 blocking deferred")


def test_section_weighs_its_threads_beside_the_heaviest() -> None:
    html = render("section", "section('#s', '2.5', 'Interrupts', 3, 12)")
    assert '<rect width="25"' in html
    assert speak(html) == "2.5Interrupts, 3 threads"


def test_section_without_threads_has_no_bar() -> None:
    html = render("section", "section('#s', '2.5', 'Interrupts')")
    assert "<svg" not in html


def test_section_marks_where_the_reader_is() -> None:
    html = render(
        "section", "section('#s', '1', 'Motivations', 0, 0, false, true)"
    )
    assert 'aria-current="true"' in html


@pytest.mark.parametrize(
    "call",
    [
        "field('name', 'Name', error='too long', hint='1 to 80')",
        "area('name', 'Name', error='too long', hint='1 to 80')",
        "choice('name', 'Name', [], error='too long', hint='1 to 80')",
    ],
)
def test_field_is_tied_to_its_label_error_and_hint(call: str) -> None:
    html = render("field", call)
    assert '<label for="name">Name</label>' in html
    assert 'aria-describedby="name-error name-hint"' in html
    assert 'aria-invalid="true"' in html
    assert 'class="field-error" id="name-error"' in html
    assert "</svg>too long</p>" in html
    assert 'id="name-hint">1 to 80<' in html


def test_field_without_error_claims_none() -> None:
    html = render("field", "field('name', 'Name', 'a \"b\"', required=true)")
    assert "aria-" not in html
    assert 'value="a &#34;b&#34;"' in html
    assert " required" in html


def test_area_keeps_the_first_line_break() -> None:
    """HTML drops one line break after the tag, so the macro writes one."""
    html = render("field", "area('code', 'Listing', '\\nidle: hlt')")
    assert ">\n\nidle: hlt</textarea>" in html


def test_choice_keeps_what_was_chosen() -> None:
    html = render(
        "field", "choice('k', 'Kind', [('a', 'A'), ('b', 'B')], 'b')"
    )
    assert '<option value="b" selected>B</option>' in html
    assert html.count("selected") == 1


def test_options_are_one_group() -> None:
    html = render(
        "field", "options('k', 'Kind', [('a', 'A'), ('b', 'B')], 'a', 'pick')"
    )
    assert "<legend>Kind</legend>" in html
    assert '<input type="radio" name="k" value="a" checked>A' in html
    assert 'aria-describedby="k-error"' in html


def test_errors_of_a_form_are_announced() -> None:
    assert 'role="alert"' in render("field", "errors(['Nothing was saved.'])")
    assert not render("field", "errors([])").strip()


def test_pager_links_only_where_there_is_more() -> None:
    html = render("pager", "pager(26, 50, 88, '/a', none)")
    assert speak(html) == "26\N{EN DASH}50 of 88 previous"
    assert 'rel="prev"' in html
    assert 'rel="next"' not in html
