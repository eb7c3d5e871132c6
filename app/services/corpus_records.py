"""What the files of a corpus may hold, as Pydantic models.

One model an entry; unknown fields are refused, every text is bounded.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from app.errors import CorpusError
from app.models import CallStatus, Severity, ThreadKind, ThreadState

LONGEST_LINE = 400
LONGEST_TEXT = 20_000
LONGEST_LIST = 200
MOST_ENTRIES = 10_000
MOST_NUMBER = 2**31 - 1

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _require_clean(text: str) -> str:
    # what neither PostgreSQL nor UTF-8 can hold
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("a character that is none (NUL or half a pair)")
    return text


def _read_time(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("expected a text")  # noqa: TRY004 - for Pydantic
    # of some mails only the day is known
    return f"{value}T00:00:00Z" if _DAY.fullmatch(value) else value


Clean = Annotated[StrictStr, AfterValidator(_require_clean)]
Line = Annotated[
    Clean, Field(min_length=1, max_length=LONGEST_LINE, pattern=r"^[^\r\n]*$")
]
Text = Annotated[Clean, Field(min_length=1, max_length=LONGEST_TEXT)]
Texts = Annotated[list[Text], Field(max_length=LONGEST_LIST)]
TextsByName = Annotated[dict[Line, Text], Field(max_length=LONGEST_LIST)]
Number = Annotated[StrictInt, Field(ge=0, le=MOST_NUMBER)]
Slug = Annotated[
    Clean, Field(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
]
CallName = Annotated[
    Clean, Field(max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
]
MessageId = Annotated[Clean, Field(max_length=250, pattern=r"^[^\s<>]+$")]
# a mail's id, with a remark in brackets where it is not a header's
Reference = Annotated[
    Clean, Field(max_length=250, pattern=r"^[^\s<>]+( \([^()\n]*\))?$")
]
FileName = Annotated[
    Clean, Field(max_length=100, pattern=r"^[A-Za-z0-9_-]+\.md$")
]
Day = Annotated[Clean, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
Time = Annotated[AwareDatetime, BeforeValidator(_read_time)]
AnyMapping = dict[Line, Any]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RevisionRecord(_Record):
    """A text of the document."""

    number: Annotated[StrictInt, Field(ge=1, le=MOST_NUMBER)]
    dated_on: Day
    change: Line
    file: FileName


class ProposalRecord(_Record):
    """The file `proposal.yaml`."""

    slug: Slug
    title: Line
    authors: Annotated[list[Line], Field(min_length=1, max_length=50)]
    status: Line
    posted: Day
    message_id: MessageId | None = None
    revisions: Annotated[
        list[RevisionRecord], Field(min_length=1, max_length=50)
    ]


class CallRecord(_Record):
    """One call of `calls.yaml`."""

    name: CallName
    group: Line
    status: CallStatus
    abi_number: Annotated[dict[Line, Number | None], Field(max_length=20)]
    rfc_doc_item: Number | None
    rfc_patch_name: Line | None
    prototype: Text | None
    inputs: TextsByName
    inputs_inferred: StrictBool
    outputs: TextsByName
    clobbers: Text | None
    segments: Text | None
    queue_class: Line | None
    native_equivalent: Text | None
    semantics: Texts
    error_behaviour: Text | None
    constants: Annotated[
        dict[Line, Text | StrictInt], Field(max_length=LONGEST_LIST)
    ]
    hardware_facts: Texts
    simulator_hints: Texts
    notes: Texts
    linux_usage: Annotated[dict[Line, Text | None], Field(max_length=20)]
    spec_section: Line | None


class CallsRecord(_Record):
    """The file `calls.yaml` but for its calls."""

    meta: AnyMapping
    conventions: AnyMapping
    types: AnyMapping
    constants: AnyMapping
    api_revision_history: AnyMapping
    groups: Annotated[list[Line], Field(max_length=LONGEST_LIST)]
    calls: Annotated[list[Any], Field(max_length=MOST_ENTRIES)]


class TargetRecord(_Record):
    """What a thread speaks of."""

    calls: Annotated[list[CallName], Field(max_length=LONGEST_LIST)]
    sections: Annotated[list[Line], Field(max_length=LONGEST_LIST)]


class SeverityRecord(_Record):
    """A weight, and who gave it."""

    value: Severity
    source: Line


class ResponseRecord(_Record):
    """An answer on a thread."""

    who: Line
    date: Time
    message_id: MessageId
    summary: Text


class WhatIfRecord(_Record):
    """A question that a simulator can settle."""

    question: Text
    expected: Text
    why: Text
    basis: Text
    decided_by_facts: StrictBool


class ObjectionRecord(_Record):
    """One thread of `objections.yaml`."""

    id: Slug
    title: Line | None = None
    reviewer: Line
    date: Time
    message_id: MessageId
    in_reply_to: Reference | None
    target: TargetRecord
    kind: ThreadKind
    severity: SeverityRecord
    summary: Text
    passage: Text
    responses: Annotated[list[ResponseRecord], Field(max_length=LONGEST_LIST)]
    outcome: ThreadState
    what_if: WhatIfRecord | None
    notes: Texts


class MailRecord(_Record):
    """A mail that the review knows of, read or not."""

    message_id: MessageId
    sender: Line = Field(alias="from")
    date: Line
    subject: Line
    in_reply_to: Reference | None


class EvidenceRecord(_Record):
    """A mail with figures that a claim stands on."""

    who: Line
    message_id: MessageId
    date: Time
    summary: Text
    use: Text


class ObjectionsRecord(_Record):
    """The file `objections.yaml` but for its objections and messages."""

    meta: AnyMapping
    objections: Annotated[list[Any], Field(max_length=MOST_ENTRIES)]
    evidence: Annotated[list[Any], Field(max_length=MOST_ENTRIES)]
    messages: Annotated[list[Any], Field(max_length=MOST_ENTRIES)]


class RomRecord(_Record):
    """The file `rom.yaml`: facts about the ROM, kept as they are."""

    meta: AnyMapping
    detection: AnyMapping
    signature: AnyMapping
    headers: AnyMapping
    call_slots: AnyMapping
    entry_lookup_by_revision: AnyMapping
    relocation: AnyMapping
    annotations_rfc_patch: AnyMapping
    sizes_and_limits: AnyMapping
    pci_header_merged: AnyMapping
    sections_without_text: Annotated[list[Any], Field(max_length=100)]
    image_relocation: Text


def split_reference(reference: str | None) -> tuple[str | None, str | None]:
    """Return a reference's message id and its remark, if it has one."""
    if reference is None:
        return None, None
    message_id, _, remark = reference.partition(" ")
    return message_id, remark.strip("()") or None


R = TypeVar("R", bound=_Record)


def check_record(
    kind: type[R], value: object, *, file: str, entry: str = ""
) -> R:
    """Return an entry as its model, or say which field is wrong and how."""
    if not isinstance(value, dict):
        raise CorpusError(file, "expected a mapping", entry=entry)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CorpusError(
            file,
            first["msg"].removeprefix("Value error, "),
            entry=entry,
            field=".".join(str(part) for part in first["loc"]),
        ) from error


def check_records(
    kind: type[R], values: Sequence[object], *, file: str, key: str
) -> list[R]:
    """Return entries as their model; `key` is the field that names one."""
    records = []
    seen: set[str] = set()
    for position, value in enumerate(values, start=1):
        name = value.get(key) if isinstance(value, dict) else None
        entry = name if isinstance(name, str) else f"number {position}"
        records.append(check_record(kind, value, file=file, entry=entry))
        if entry in seen:
            raise CorpusError(file, "stands twice", entry=entry, field=key)
        seen.add(entry)
    return records


def require_known(
    names: Iterable[str],
    known: Iterable[str],
    *,
    file: str,
    entry: str,
    field: str,
) -> None:
    """Refuse an entry that names what is not there, or one thing twice."""
    allowed = set(known)
    seen: set[str] = set()
    for name in names:
        if name not in allowed:
            message = f"nothing is called {name!r}"
        elif name in seen:
            message = f"{name!r} stands twice"
        else:
            seen.add(name)
            continue
        raise CorpusError(file, message, entry=entry, field=field)
