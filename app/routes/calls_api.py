"""Calls as JSON."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.models import CallStatus
from app.routes.paging import SELF, PagingDep, take_page
from app.services import calls
from app.services.calls import CallRecord, CallRow, Wanted

api = APIRouter(prefix="/api", tags=["calls"])

get_position = attrgetter("position")

NAME = "VMI_EnableInterrupts"


class CallItem(BaseModel):
    """A call as a list gives it; `url` is its page."""

    name: str = Field(examples=[NAME])
    number: int | None = Field(examples=[37])
    group: str = Field(examples=["processor state"])
    status: CallStatus = Field(examples=["documented"])
    prototype: str | None = Field(
        examples=["VMICALL void VMI_EnableInterrupts(void);"]
    )
    spec_section: str | None = Field(
        examples=["Appendix A / Processor state calls"]
    )
    executable: bool = Field(
        description="Whether the simulator executes it.", examples=[True]
    )
    threads: list[str] = Field(
        description="Slugs of the threads that speak of it.",
        examples=[["kleen-sti-shadow"]],
    )
    url: str = Field(examples=[f"/calls/{NAME}"])


class CallList(BaseModel):
    """Calls in the order of the facts."""

    items: list[CallItem]


class CallOut(CallItem):
    """A call with every field of the facts and with what concerns it."""

    abi_number: Mapping[str, int | None] = Field(
        examples=[{"rfc_patch_13_0": 37, "linux_merged_3_0": None}]
    )
    rfc_doc_item: int | None
    rfc_patch_name: str | None
    inputs: Mapping[str, str] = Field(examples=[{}])
    inputs_inferred: bool
    outputs: Mapping[str, str] = Field(examples=[{}])
    clobbers: str | None = Field(examples=["standard (EAX, ECX, EDX, flags)"])
    segments: str | None
    queue_class: str | None
    native_equivalent: str | None = Field(examples=["STI"])
    semantics: Sequence[str]
    error_behaviour: str | None
    constants: Mapping[str, str | int] = Field(examples=[{}])
    hardware_facts: Sequence[str]
    simulator_hints: Sequence[str]
    notes: Sequence[str]
    linux_usage: Mapping[str, str | None]
    sections: list[str] = Field(
        description="Anchors of the sections that define it.",
        examples=[["processor-state-calls"]],
    )
    scenarios: list[str] = Field(
        description="Slugs of the questions about it.",
        examples=[["kleen-sti-shadow"]],
    )
    source: str | None = Field(
        description="Its semantics as the simulator executes them, Python."
    )


@api.get("/calls", summary="The calls of the interface")
def list_calls_json(  # noqa: PLR0913 - each is a filter
    request: Request,
    response: Response,
    session: SessionDep,
    paging: PagingDep,
    *,
    group: Annotated[
        str | None, Query(max_length=200, examples=["processor state"])
    ] = None,
    status: Annotated[CallStatus | None, Query()] = None,
    executable: Annotated[bool | None, Query()] = None,
) -> CallList:
    """Return the calls, all or those of a group, status or kind."""
    wanted = Wanted(group=group, status=status, executable=executable)
    found = calls.list_calls(session, wanted)
    rows = paging.window.pick(found, get_position)
    page = take_page(request, response, paging, rows, get_position)
    return CallList(items=[_make_item(request, row) for row in page])


@api.get("/calls/{name}", summary="One call", dependencies=SELF)
def show_call_json(
    request: Request, session: SessionDep, name: str
) -> CallOut:
    """Return a call with every field, its clauses, threads and questions."""
    call = calls.read_call(session, name)
    return _make_call(
        request, call, calls.list_scenarios(session, call.facts.id)
    )


def _make_item(request: Request, row: CallRow) -> CallItem:
    return CallItem(
        name=row.name,
        number=row.number,
        group=row.group,
        status=row.status,
        prototype=row.prototype,
        spec_section=row.spec_section,
        executable=row.is_executable,
        threads=[thread.slug for thread in row.threads],
        url=request.url_for("show_call", name=row.name).path,
    )


def _make_call(
    request: Request, call: CallRecord, scenarios: Sequence[str]
) -> CallOut:
    facts = {
        name: getattr(call.facts, name)
        for name in call.facts.__slots__
        if name in CallOut.model_fields
    }
    return CallOut(
        **facts,
        executable=call.spec is not None,
        threads=[thread.slug for thread in call.threads],
        url=request.url_for("show_call", name=call.facts.name).path,
        sections=[section.anchor for section in call.sections],
        scenarios=list(scenarios),
        source=call.spec.source if call.spec else None,
    )
