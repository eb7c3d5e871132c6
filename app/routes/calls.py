"""Calls: the list by group, and the page of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Query, Request, Response
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer

from app import sim
from app.dependencies import SessionDep
from app.errors import NotFoundError
from app.forms import MaybeLine
from app.models import CallStatus, ThreadState
from app.pages import Page, ShellDep, is_fragment, render, render_template
from app.services import calls, decision_rows, remarks, scenarios
from app.services.calls import CallRecord, CallRow, Wanted
from app.services.decision_rows import DecisionRow
from app.services.remarks import RemarkRow
from app.services.scenarios import QuestionRecord

STATUSES: Mapping[CallStatus, str] = {
    CallStatus.documented: "documented",
    CallStatus.future_debate: "proposed for debate",
    CallStatus.appendix_b_only: "in appendix B only",
    CallStatus.patch_only: "in the patches only",
    CallStatus.later_revision: "of a later revision",
}
ABI_NAMES: Mapping[str, str] = {
    "rfc_patch_13_0": "RFC patches, 13.0",
    "linux_merged_3_0": "merged Linux, 3.0",
    "interim_13_3": "interim header, 13.3",
}
USERS: Mapping[str, str] = {
    "rfc_patches": "RFC patches",
    "merged": "Merged Linux",
}
BESIDE = 8
"""Remarks on a call that stand unfolded."""

CHOICES: Mapping[str, bool | None] = {"": None, "yes": True, "no": False}

router = APIRouter(include_in_schema=False)

YesNo = Literal["", "yes", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallListPage(Page):
    """The calls by group; `chosen` is what narrows the list."""

    template: ClassVar[str] = "calls/list.html"
    statuses: ClassVar[Mapping[CallStatus, str]] = STATUSES
    groups: Mapping[str, Sequence[CallRow]]
    count: int
    executable: int
    group_names: Sequence[str]
    chosen: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage(Page):
    """One call, with everything that concerns it."""

    template: ClassVar[str] = "calls/show.html"
    beside: ClassVar[int] = BESIDE
    statuses: ClassVar[Mapping[CallStatus, str]] = STATUSES
    abi_names: ClassVar[Mapping[str, str]] = ABI_NAMES
    users: ClassVar[Mapping[str, str]] = USERS
    platforms: ClassVar[Mapping[str, sim.Platform]] = sim.PLATFORMS
    call: CallRecord
    source_html: str | None
    questions: Sequence[QuestionRecord]
    remarks: Sequence[RemarkRow]
    decisions: Sequence[DecisionRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCallPage(Page):
    """No call has this name; these look like it."""

    template: ClassVar[str] = "calls/unknown.html"
    name: str
    nearest: Sequence[str]


@router.get("/calls/")
def list_calls(  # noqa: PLR0913 - each is a filter
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    *,
    group: MaybeLine = None,
    status: Annotated[CallStatus | Literal[""], Query()] = "",
    executable: YesNo = "",
    threads: Literal["", "open", "settled"] = "",
) -> Response:
    """Show the calls by group, or those of a kind."""
    wanted = Wanted(
        group=group,
        status=status or None,
        executable=CHOICES[executable],
        unsettled={"": None, "open": True, "settled": False}[threads],
    )
    found = calls.list_calls(session, wanted)
    page = CallListPage(
        title="Calls",
        groups=calls.group_calls(found),
        count=len(found),
        executable=sum(call.is_executable for call in found),
        group_names=calls.list_groups(session),
        chosen={
            "group": group or "",
            "status": status,
            "executable": executable,
            "threads": threads,
        },
    )
    if is_fragment(request):
        return render_template(request, shell, "calls/_list.html", page)
    return render(request, shell, page)


@router.get("/calls/{name}")
def show_call(
    request: Request, shell: ShellDep, session: SessionDep, name: str
) -> Response:
    """Show one call, or which calls have a name like it."""
    try:
        call = calls.read_call(session, name)
    except NotFoundError:
        unknown = UnknownCallPage(
            title="Unknown call",
            name=name[: calls.LONGEST_NAME],
            nearest=calls.find_nearest(session, name),
        )
        return render(request, shell, unknown, status=HTTPStatus.NOT_FOUND)
    page = CallPage(
        title=call.facts.name,
        call=call,
        source_html=highlight_source(call.spec.source) if call.spec else None,
        questions=scenarios.list_questions(session, call=call.facts.name),
        remarks=remarks.list_call_remarks(session, call.facts.id),
        decisions=_list_decisions(session, call),
    )
    return render(request, shell, page)


def _list_decisions(
    session: SessionDep, call: CallRecord
) -> Sequence[DecisionRow]:
    # a thread with a decision in force says so itself: most calls have none
    if all(t.state != ThreadState.decided for t in call.threads):
        return ()
    wanted = decision_rows.Wanted(call=call.facts.name, standing="in-force")
    return decision_rows.list_decisions(session, wanted)


@cache
def highlight_source(source: str) -> str:
    """Return a call's semantics as HTML, marked by class and not by style."""
    html: str = highlight(
        source, PythonLexer(), HtmlFormatter(cssclass="code")
    )
    return html.replace("<pre>", '<pre tabindex="0">', 1)  # it may scroll
