"""Evidence that an annotation brings: a run, or a question, as its body.

An objection names a question as a body that describes it. If that was run,
with the text and the model of now, its answer is put forward on the thread.
`review:expected` says what its author expects: an answer, where the body's
address names the platform and the outcome, or else an outcome, which then
should happen always. What was not run, or is not told apart, stays a link.
A body brings evidence once: what was withdrawn since does not come back when
other words around it change, and deleted words leave it on the thread.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Answer, Motivation, Scenario
from app.services import evidence, runs
from app.services.annotation_reading import Checked
from app.services.annotation_values import list_values
from app.services.evidence import EXPECTABLE, Claim
from app.services.reviewers import Visitor

EXPECTED = "review:expected"
MOST_FIELDS = 10
MOST_BROUGHT = 10
"""Bodies that bring evidence at most; more of them are links."""

_QUESTION = re.compile(r"/(?:whatif|api/scenarios)/([^/]+?)/?")
_RUN = re.compile(r"/(?:api/)?runs/([0-9a-f]{64})/?")

Document = Mapping[str, Any]
NOTHING: Document = MappingProxyType({})


def put_bodies_forward(  # noqa: PLR0913 - each is a part of the claim
    session: Session,
    visitor: Visitor,
    thread: str,
    document: Document,
    checked: Checked,
    *,
    was: Document = NOTHING,
) -> None:
    """Put forward what an objection on a thread stands on.

    Parameters
    ----------
    was
        What it said there before, which brings nothing again.

    Raises
    ------
    InvalidError
        When the address of a body names no answer of its run.
    """
    if Motivation.assessing not in checked.motivations:
        return
    sources = dict.fromkeys(_list_sources(document))
    if all(
        was.get(key) == document.get(key) for key in ("motivation", EXPECTED)
    ):
        for source in _list_sources(was):
            sources.pop(source, None)
    for source in islice(sources, MOST_BROUGHT):
        for claim in _list_claims(session, source, document):
            evidence.put_forward(session, visitor, thread, claim)


def _list_sources(document: Document) -> Iterator[str]:
    for body in list_values(document.get("body")):
        if _is_described(body):
            yield body["source"]


def _is_described(body: object) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("source"), str)
        and Motivation.describing in list_values(body.get("purpose"))
    )


def _list_claims(
    session: Session, source: str, document: Document
) -> Iterator[Claim]:
    run_id = _find_run(session, source)
    run = runs.find_run(session, run_id) if run_id else None
    if run is None or evidence.is_stale(session, run.id):
        return
    expected = document.get(EXPECTED)
    query = urlsplit(source).query
    named = dict(parse_qsl(query) if query.count("&") < MOST_FIELDS else ())
    if expected in EXPECTABLE and {"platform", "outcome"} <= named.keys():
        yield Claim(
            run_id=run.id,
            platform=named["platform"],
            outcome=named["outcome"],
            expected=Answer(expected),
            variant=named.get("variant"),
        )
    elif isinstance(expected, str):
        for part in run.report["platforms"]:
            if part["variant"] is None and expected in part["answers"]:
                yield Claim(
                    run_id=run.id,
                    platform=part["platform"],
                    outcome=expected,
                    expected=Answer.always,
                )


def _find_run(session: Session, source: str) -> str | None:
    path = unquote(source.partition("?")[0].partition("#")[0])
    if run := _RUN.fullmatch(path):
        return run[1]
    question = _QUESTION.fullmatch(path)
    # no database but SQLite knows a text with a NUL in it
    if question is None or "\0" in path:
        return None
    found: str | None = session.scalar(
        select(col(Scenario.run_id)).where(col(Scenario.slug) == question[1])
    )
    return found
