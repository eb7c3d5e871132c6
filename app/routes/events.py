"""The stream of events: what changes, as it changes (Server-Sent Events).

One event a line of the log: its `id` is the line's number, by which a reader
who comes back goes on, its `event` the line's type, its `data` one line of
JSON that says what changed where. A stream ends with the right to read it,
and when the server does.
"""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.db import Database
from app.dependencies import SessionDep, get_database
from app.forms import MaybeLine
from app.identity import get_access, look_up
from app.routes.paging import LARGEST
from app.services import events
from app.services.access import Access
from app.services.event_bus import EventBus
from app.services.events import Event, Wanted
from app.services.rate_limits import get_origin

REPLAYED = 1000
"""Most lines that somebody who comes back is told; else `reset`."""

HEARTBEAT = 15.0
"""Seconds after which a silent stream shows that it is there."""

RETRY = 2000
"""Milliseconds after which a browser comes back."""

UNKNOWN = -1

HEAD_ONLY = "head_only"
"""Key of a request's scope that was asked for without its body."""

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream that does not end.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": "id: 16\nretry: 2000\n\nid: 17\n"
                "event: annotation.created\n"
                'data: {"seq":17,"type":"annotation.created"}\n\n',
            }
        },
    }
}

router = APIRouter(tags=["events"])


def get_bus(request: Request) -> EventBus:
    """Return the event bus of the application."""
    bus: EventBus = request.app.state.event_bus
    return bus


def find_wanted(
    session: SessionDep,
    proposal: Annotated[
        MaybeLine, Query(description="Only of this proposal.")
    ] = None,
    call: Annotated[
        MaybeLine, Query(description="Only what is about this call.")
    ] = None,
    thread: Annotated[
        MaybeLine, Query(description="Only what happens on this thread.")
    ] = None,
) -> Wanted:
    """Read from the address what is to be told of."""
    return events.find_wanted(
        session, proposal=proposal, call=call, thread=thread
    )


@router.get(
    "/events",
    summary="What changes, as it changes",
    response_class=Response,
    responses=STREAM,
)
def follow_events(
    request: Request,
    bus: Annotated[EventBus, Depends(get_bus)],
    wanted: Annotated[Wanted, Depends(find_wanted)],
    since: Annotated[
        int | None,
        Query(
            ge=0,
            le=LARGEST,
            description="After which line of the log to begin; else now.",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(description="The `id` got last; goes before `since`."),
    ] = None,
) -> Response:
    """Tell of each change after the last event got, or else after `since`.

    Server-Sent Events: `id` is the number of a line of the log, `event` its
    type, `data` one line of JSON that says what changed where. Whoever missed
    too much gets an event `reset`, and reads again what it shows.
    """
    stream = Stream(
        bus=bus,
        database=get_database(request),
        scope=request.scope,
        access=get_access(request),
        wanted=wanted,
        since=find_start(last_event_id, since),
    )
    client = request.client
    return EventStreamResponse(
        stream, get_origin(client.host) if client else ""
    )


def find_start(last_event_id: str | None, since: int | None) -> int | None:
    """Return after which line to begin; None is now, -1 is not known.

    A browser that comes back sends the id it got last, and the address that
    it began with.
    """
    if last_event_id is None:
        return since
    is_number = last_event_id.isascii() and last_event_id.isdigit()
    if not is_number or len(last_event_id) > len(str(LARGEST)):
        return UNKNOWN
    return int(last_event_id)


@dataclass(slots=True, kw_only=True)
class Stream:
    """What is told to whom, from where on.

    `scope` is the request, by which the asker is looked up again.
    """

    bus: EventBus
    database: Database
    scope: Scope
    access: Access
    wanted: Wanted
    since: int | None

    async def list_parts(self) -> AsyncIterator[bytes]:
        """Return the bytes of the stream, as they come about."""
        bus = self.bus
        seq, is_reset = self._find_place()
        yield format_sse_event(id=str(seq), retry=RETRY)
        if is_reset:
            yield format_sse_event(event="reset", data_str="{}", id=str(seq))
        looked_at, looked = UNKNOWN, time.monotonic()
        while not bus.is_closed:
            found = await bus.read_after(seq)
            is_due = time.monotonic() - looked >= HEARTBEAT
            if is_due or bus.taken > looked_at:
                looked_at, looked = bus.head, time.monotonic()
                if not await run_in_threadpool(self._may_go_on):
                    return
            if found:
                seq = found[-1].seq
            part = self._format(found)
            if is_due and not part:
                # with the id: what was passed over need not be read again
                part = format_sse_event(comment="here", id=str(seq))
            if part:
                yield part
            if not found:
                await bus.wait(seq, looked + HEARTBEAT - time.monotonic())

    def _find_place(self) -> tuple[int, bool]:
        """Return where to begin, and whether more was missed than is told."""
        head = self.bus.head
        if self.since is None:
            return head, False
        is_known = max(0, head - REPLAYED) <= self.since <= head
        return (self.since, False) if is_known else (head, True)

    def _format(self, found: Sequence[Event]) -> bytes:
        visitor = self.access.visitor
        return b"".join(
            format_sse_event(
                event=event.type, data_str=event.text, id=str(event.seq)
            )
            for event in found
            if self.wanted.has(event, visitor)
        )

    def _may_go_on(self) -> bool:
        """Tell whether the same reviewer asks, and may still read."""
        now, was = look_up(self.database, self.scope), self.access
        self.access = now
        same = (now.visitor and now.visitor.id) == (
            was.visitor and was.visitor.id
        )
        return same and now.may_read and not now.is_unknown


class EventStreamResponse(StreamingResponse):
    """A stream that has a seat for as long as somebody is there.

    Parameters
    ----------
    address
        Where the asker is, for the number of streams is bounded.
    """

    media_type = "text/event-stream"

    def __init__(self, stream: Stream, address: str) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(stream.list_parts(), headers=headers)
        self.bus = stream.bus
        self.address = address

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send what comes about, until the asker leaves or must."""
        if HEAD_ONLY in scope:
            answer = Response(headers=self.headers)
            await answer(scope, receive, send)
            return
        with self.bus.take_seat(self.address):
            async with self.bus.follow():
                await super().__call__(scope, receive, send)
