"""The tables, one class a noun, and their enums; no queries.

Texts have no length limits, times are UTC, names are those of the glossary
in CONTRIBUTING. Relations are read by the services with joins, in as many
queries as a page has parts.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    UniqueConstraint,
)
from sqlalchemy import Enum as EnumType
from sqlmodel import Field, SQLModel

from app.db import PackedBytes, PackedText, UTCDateTime

UTC_TIME: Any = UTCDateTime  # SQLModel types sa_type as a bare class


def _enum_column(enum: type[StrEnum], *, nullable: bool = False) -> Any:  # noqa: ANN401 - a new column each time
    # the values as text without a database type: a new value is no migration
    values = EnumType(
        enum,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [m.value for m in members],
    )
    return Column(values, nullable=nullable)


def _json_column() -> Any:  # noqa: ANN401 - a new column each time
    return Column(JSON, nullable=False)


class _Numbered(Protocol):
    id: Any


def get_id(row: _Numbered) -> int:
    """Return the number of a row that was flushed."""
    if not isinstance(row.id, int):
        raise TypeError("a row that was not flushed")
    return row.id


class Role(StrEnum):
    """What a reviewer may do; each includes the ones before it."""

    reader = "reader"
    reviewer = "reviewer"
    editor = "editor"
    administrator = "administrator"


class Scope(StrEnum):
    """What a token may be used for; each includes the ones before it."""

    read = "read"
    annotate = "annotate"
    edit = "edit"
    admin = "admin"


class StanceValue(StrEnum):
    """How a reviewer stands to a thread; the first two keep it open."""

    blocking = "blocking"
    working = "working"
    discussing = "discussing"
    informing = "informing"
    satisfied = "satisfied"


class CallStatus(StrEnum):
    """Where a call stands in the sources."""

    documented = "documented"
    future_debate = "future_debate"
    appendix_b_only = "appendix_b_only"
    patch_only = "patch_only"
    later_revision = "later_revision"


class ThreadKind(StrEnum):
    """What a thread is meant as."""

    objection = "objection"
    question = "question"
    suggestion = "suggestion"
    praise = "praise"


class Severity(StrEnum):
    """How much a thread weighs."""

    blocking = "blocking"
    concern = "concern"
    nit = "nit"


class ThreadState(StrEnum):
    """How a thread stands; `decided` once a decision on it is in force."""

    open = "open"
    unanswered = "unanswered"
    deferred = "deferred"
    disputed = "disputed"
    answered = "answered"
    conceded = "conceded"
    decided = "decided"


class Motivation(StrEnum):
    """Why an annotation was made (W3C Web Annotation vocabulary)."""

    assessing = "assessing"
    bookmarking = "bookmarking"
    classifying = "classifying"
    commenting = "commenting"
    describing = "describing"
    editing = "editing"
    highlighting = "highlighting"
    identifying = "identifying"
    linking = "linking"
    moderating = "moderating"
    questioning = "questioning"
    replying = "replying"
    tagging = "tagging"


class Answer(StrEnum):
    """What the simulator says of an outcome."""

    always = "always"
    sometimes = "sometimes"
    never = "never"
    unspecified = "unspecified"
    not_modelled = "not-modelled"
    limit = "limit"


class EvidenceState(StrEnum):
    """Whether a run says what was expected of it."""

    holds = "holds"
    fails = "fails"
    undecided = "undecided"
    stale = "stale"


class Disposition(StrEnum):
    """What was decided on a thread (W3C disposition of comments)."""

    accepted = "accepted"
    partly = "partly"
    rejected = "rejected"
    out_of_scope = "out-of-scope"
    invalid = "invalid"
    retracted = "retracted"
    deferred = "deferred"
    duplicate = "duplicate"


class RevisionSource(StrEnum):
    """Where a revision's text came from."""

    corpus = "corpus"
    upload = "upload"
    edit = "edit"
    mail = "mail"
    suggestion = "suggestion"


class QuoteState(StrEnum):
    """What became of a quoted block that resembles a clause."""

    decided = "decided"
    waiting = "waiting"
    dismissed = "dismissed"


class SearchKind(StrEnum):
    """What can be found."""

    mail = "mail"
    thread = "thread"
    annotation = "annotation"
    section = "section"
    call = "call"
    scenario = "scenario"
    run = "run"
    decision = "decision"


class AnchorState(StrEnum):
    """How sure it is where an annotation points in a revision."""

    exact = "exact"
    moved = "moved"
    proposed = "proposed"
    orphan = "orphan"


class Proposal(SQLModel, table=True):
    """An RFC under review; a private one is read by its members only."""

    __tablename__ = "proposal"

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    title: str
    authors: list[str] = Field(sa_column=Column(JSON, nullable=False))
    status: str
    is_private: bool = False


class Member(SQLModel, table=True):
    """A reviewer who may read a private proposal."""

    __tablename__ = "member"

    proposal_id: int = Field(foreign_key="proposal.id", primary_key=True)
    reviewer_id: int = Field(
        foreign_key="reviewer.id", primary_key=True, index=True
    )
    added_at: datetime = Field(sa_type=UTC_TIME)


class Revision(SQLModel, table=True):
    """One text of a proposal's document (Markdown), numbered from 1.

    A reference is kept because mails quote it, and is never the document
    under review. `message_ids` names the mails that the text was made from.
    """

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("proposal_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    proposal_id: int = Field(foreign_key="proposal.id")
    number: int
    dated_on: str
    change: str
    text: str
    source: RevisionSource = Field(
        default=RevisionSource.corpus, sa_column=_enum_column(RevisionSource)
    )
    is_reference: bool = False
    message_ids: list[str] = Field(
        default_factory=list, sa_column=_json_column()
    )
    reviewer_id: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )
    created_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class Section(SQLModel, table=True):
    """A heading of a revision and the text up to the next heading.

    `start` and `end` count code points in the revision's text; `html` is the
    section's own text, rendered when it was stored.
    """

    __tablename__ = "section"
    __table_args__ = (
        UniqueConstraint("revision_id", "anchor"),
        UniqueConstraint("revision_id", "position"),
    )

    id: int | None = Field(default=None, primary_key=True)
    revision_id: int = Field(foreign_key="revision.id")
    parent_id: int | None = Field(
        default=None, foreign_key="section.id", index=True
    )
    position: int
    level: int
    number: str
    anchor: str
    title: str
    start: int
    end: int
    html: str


class Person(SQLModel, table=True):
    """Somebody who spoke in the review; a name, not an account."""

    __tablename__ = "person"

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    name: str = Field(unique=True)


class Reviewer(SQLModel, table=True):
    """An account. `name` is typed at sign-in.

    Without `password_hash` it has no password yet; with `disabled_at` it
    signs in no more, and its tokens and sessions are good for nothing.
    """

    __tablename__ = "reviewer"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    display_name: str
    role: Role = Field(sa_column=_enum_column(Role))
    password_hash: str | None = None
    created_at: datetime = Field(sa_type=UTC_TIME)
    disabled_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class OIDCIdentity(SQLModel, table=True):
    """Who an OpenID provider says a reviewer is."""

    __tablename__ = "oidc_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: int | None = Field(default=None, primary_key=True)
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    issuer: str
    subject: str
    created_at: datetime = Field(sa_type=UTC_TIME)


class Invitation(SQLModel, table=True):
    """A link by which somebody makes an account once, with this role.

    The digest of its secret is kept; `note` says whom it is meant for.
    """

    __tablename__ = "invitation"

    id: int | None = Field(default=None, primary_key=True)
    digest: str = Field(unique=True)
    role: Role = Field(sa_column=_enum_column(Role))
    note: str
    invited_by: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )
    created_at: datetime = Field(sa_type=UTC_TIME)
    expires_at: datetime = Field(sa_type=UTC_TIME)
    used_at: datetime | None = Field(default=None, sa_type=UTC_TIME)
    reviewer_id: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )
    revoked_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class SignIn(SQLModel, table=True):
    """A session of a signed-in reviewer; the cookie's digest, never it.

    `means` is how they proved who they are, `address` and `agent` where from
    and with which browser; `seen_at` is right to some minutes.
    """

    __tablename__ = "sign_in"

    id: int | None = Field(default=None, primary_key=True)
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    digest: str = Field(unique=True)
    created_at: datetime = Field(sa_type=UTC_TIME)
    expires_at: datetime = Field(sa_type=UTC_TIME)
    means: str = ""
    address: str = ""
    agent: str = ""
    seen_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class SignInLink(SQLModel, table=True):
    """A link that signs a reviewer in once; the digest of its secret."""

    __tablename__ = "sign_in_link"

    id: int | None = Field(default=None, primary_key=True)
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    digest: str = Field(unique=True)
    created_at: datetime = Field(sa_type=UTC_TIME)
    expires_at: datetime = Field(sa_type=UTC_TIME)
    used_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class Token(SQLModel, table=True):
    """An API key of a reviewer; the digest of its secret.

    `start` is how the secret begins, by which its holder knows it again;
    `used_at` is right to some minutes.
    """

    __tablename__ = "token"

    id: int | None = Field(default=None, primary_key=True)
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    name: str
    digest: str = Field(unique=True)
    created_at: datetime = Field(sa_type=UTC_TIME)
    revoked_at: datetime | None = Field(default=None, sa_type=UTC_TIME)
    scope: Scope = Field(default=Scope.admin, sa_column=_enum_column(Scope))
    start: str = ""
    expires_at: datetime | None = Field(default=None, sa_type=UTC_TIME)
    used_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class Call(SQLModel, table=True):
    """One interface call, as the facts state it.

    `abi_number` names the call's index in each revision of the interface;
    `inputs` and `outputs` map a register or stack word to its meaning;
    `spec_section` is the pointer to the clause as the facts word it.
    """

    __tablename__ = "call"
    __table_args__ = (
        UniqueConstraint("proposal_id", "name"),
        UniqueConstraint("proposal_id", "position"),
    )

    id: int | None = Field(default=None, primary_key=True)
    proposal_id: int = Field(foreign_key="proposal.id")
    position: int
    name: str
    number: int | None = None
    group: str
    status: CallStatus = Field(sa_column=_enum_column(CallStatus))
    abi_number: dict[str, int | None] = Field(sa_column=_json_column())
    rfc_doc_item: int | None = None
    rfc_patch_name: str | None = None
    prototype: str | None = None
    inputs: dict[str, str] = Field(sa_column=_json_column())
    inputs_inferred: bool
    outputs: dict[str, str] = Field(sa_column=_json_column())
    clobbers: str | None = None
    segments: str | None = None
    queue_class: str | None = None
    native_equivalent: str | None = None
    semantics: list[str] = Field(sa_column=_json_column())
    error_behaviour: str | None = None
    constants: dict[str, str | int] = Field(sa_column=_json_column())
    hardware_facts: list[str] = Field(sa_column=_json_column())
    simulator_hints: list[str] = Field(sa_column=_json_column())
    notes: list[str] = Field(sa_column=_json_column())
    linux_usage: dict[str, str | None] = Field(sa_column=_json_column())
    spec_section: str | None = None


class CallSection(SQLModel, table=True):
    """A section that defines or concerns a call; position 0 defines it."""

    __tablename__ = "call_section"

    call_id: int = Field(foreign_key="call.id", primary_key=True)
    section_id: int = Field(
        foreign_key="section.id", primary_key=True, index=True
    )
    position: int


class Conversation(SQLModel, table=True):
    """The mails that answer one another, a tree (RFC 5256 REFERENCES).

    `root` is the id of the mail at the top, which may never have come; it is
    empty where mails were gathered by their subject alone.
    """

    __tablename__ = "conversation"

    id: int | None = Field(default=None, primary_key=True)
    root: str = Field(index=True)
    subject: str
    message_count: int
    started_at: datetime | None = Field(default=None, sa_type=UTC_TIME)
    last_at: datetime | None = Field(
        default=None, sa_type=UTC_TIME, index=True
    )


class Message(SQLModel, table=True):
    """A mail: what was read from the first delivery of it.

    `references` are the ids of its ancestors, eldest first, as it names them;
    `parent_id` is the mail it hangs under in its conversation, guessed where
    only the subject says so; an editor's cut forbids such a guess.
    `position` counts the conversation's mails from the top down, `depth` the
    mails above. `aligned_to` is the revision that its quotes were compared
    with. `sender` is the From header's text, `defects` says what was wrong
    with the mail and how it was read.
    """

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_conversation", "conversation_id", "position"),
    )

    id: int | None = Field(default=None, primary_key=True)
    message_id: str = Field(unique=True)
    subject: str
    base_subject: str = Field(index=True)
    is_reply: bool
    sender: str
    sent_at: datetime | None = Field(
        default=None, sa_type=UTC_TIME, index=True
    )
    in_reply_to: str | None = Field(default=None, index=True)
    references: list[str] = Field(sa_column=_json_column())
    headers: list[list[str]] = Field(sa_column=_json_column())
    trailers: list[list[str]] = Field(sa_column=_json_column())
    defects: list[str] = Field(sa_column=_json_column())
    charset: str
    body: str = Field(sa_column=Column(PackedText, nullable=False))
    html: str = Field(sa_column=Column(PackedText, nullable=False))
    imported_at: datetime = Field(sa_type=UTC_TIME)
    conversation_id: int | None = Field(
        default=None, foreign_key="conversation.id"
    )
    parent_id: int | None = Field(
        default=None, foreign_key="message.id", index=True
    )
    is_parent_guessed: bool = False
    is_cut: bool = False
    depth: int = 0
    position: int = 0
    aligned_to: int | None = Field(
        default=None, foreign_key="revision.id", index=True
    )


class Mention(SQLModel, table=True):
    """An id that a mail bears, or names as above it; as a number."""

    __tablename__ = "mention"
    __table_args__ = ({"sqlite_with_rowid": False},)

    digest: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False)
    )
    message_row_id: int = Field(foreign_key="message.id", primary_key=True)


class Delivery(SQLModel, table=True):
    """One copy of a mail as it was received, byte for byte.

    `source` names the file it came in, `list_id` the list that sent it. A
    page that an archive made of the mail is a delivery too, though the mail
    is read from another one as soon as there is one.
    """

    __tablename__ = "delivery"

    id: int | None = Field(default=None, primary_key=True)
    message_row_id: int = Field(foreign_key="message.id", index=True)
    sha256: str = Field(unique=True)
    list_id: str | None = None
    archived_at: str | None = None
    is_archived: bool = False
    source: str
    size: int
    raw: bytes = Field(sa_column=Column(PackedBytes, nullable=False))
    imported_at: datetime = Field(sa_type=UTC_TIME)


class Attachment(SQLModel, table=True):
    """A part of a mail that is kept and listed, never rendered.

    `position` is its place among all leaves of the MIME tree, from 0.
    """

    __tablename__ = "attachment"

    message_row_id: int = Field(foreign_key="message.id", primary_key=True)
    position: int = Field(primary_key=True)
    name: str
    media_type: str
    size: int


class Quote(SQLModel, table=True):
    """A quoted block of a mail that resembles a clause.

    `position` counts all quoted blocks of the mail from 0, `start` and `end`
    its code points in the body, `reply_start` and `reply_end` the answer
    below it. `section_id` and `call_id` are what was decided, in the revision
    that the mail is aligned to; `annotation_id` is the remark it became.
    """

    __tablename__ = "quote"
    __table_args__ = (
        UniqueConstraint("message_row_id", "position"),
        Index("ix_quote_state", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    message_row_id: int = Field(foreign_key="message.id")
    position: int
    depth: int
    start: int
    end: int
    reply_start: int
    reply_end: int
    state: QuoteState = Field(sa_column=_enum_column(QuoteState))
    section_id: int | None = Field(
        default=None, foreign_key="section.id", index=True
    )
    call_id: int | None = Field(
        default=None, foreign_key="call.id", index=True
    )
    annotation_id: str | None = Field(
        default=None, foreign_key="annotation.id", index=True
    )
    reviewer_id: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )


class QuoteCandidate(SQLModel, table=True):
    """A place that a quote may be from; position 0 scores best.

    `score` is in thousandths; `method` says how it was found. `start` and
    `end` are the code points of the quote's own words in the section's text,
    None where it has other words, or the same more than once.
    """

    __tablename__ = "quote_candidate"

    quote_id: int = Field(foreign_key="quote.id", primary_key=True)
    position: int = Field(primary_key=True)
    section_id: int = Field(foreign_key="section.id", index=True)
    call_id: int | None = Field(
        default=None, foreign_key="call.id", index=True
    )
    method: str
    score: int
    start: int | None = None
    end: int | None = None


class Thread(SQLModel, table=True):
    """One objection, question, suggestion or praise.

    The opener is a person (of the mails) or a reviewer (of this tool).
    `outcome` is what the mails show and never changes; `state` is now.
    `passage` says in words what it speaks of, `quote` is text selected in
    the document. `what_if` is the facts' question with its expected answer.
    """

    __tablename__ = "thread"
    __table_args__ = (
        UniqueConstraint("proposal_id", "slug"),
        UniqueConstraint("proposal_id", "position"),
    )

    id: int | None = Field(default=None, primary_key=True)
    proposal_id: int = Field(foreign_key="proposal.id")
    position: int
    slug: str
    title: str
    kind: ThreadKind = Field(sa_column=_enum_column(ThreadKind))
    severity: Severity = Field(sa_column=_enum_column(Severity))
    severity_source: str
    state: ThreadState = Field(sa_column=_enum_column(ThreadState))
    outcome: ThreadState | None = Field(
        default=None, sa_column=_enum_column(ThreadState, nullable=True)
    )
    person_id: int | None = Field(
        default=None, foreign_key="person.id", index=True
    )
    reviewer_id: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )
    opened_at: datetime = Field(sa_type=UTC_TIME)
    summary: str
    summary_html: str
    passage: str | None = None
    quote: str | None = None
    message_id: str | None = None
    in_reply_to: str | None = None
    notes: list[str] = Field(sa_column=_json_column())
    what_if: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )


class ThreadCall(SQLModel, table=True):
    """A call that a thread speaks of."""

    __tablename__ = "thread_call"

    thread_id: int = Field(foreign_key="thread.id", primary_key=True)
    call_id: int = Field(foreign_key="call.id", primary_key=True, index=True)
    position: int


class ThreadSection(SQLModel, table=True):
    """A section that a thread speaks of; `note` narrows it, as `item 6`."""

    __tablename__ = "thread_section"

    thread_id: int = Field(foreign_key="thread.id", primary_key=True)
    section_id: int = Field(
        foreign_key="section.id", primary_key=True, index=True
    )
    position: int
    note: str | None = None


class Annotation(SQLModel, table=True):
    """One post: the only unit of speech.

    `document` is the W3C annotation as the client sent it or as we wrote it;
    the other columns are an index over it. `html` is the text rendered and
    sanitised when it was stored. `message_id` names the mail it came from.
    A remark on a clause belongs to no thread; its anchors say where it is.
    `container` is the proposal in whose container it was posted, empty for
    the container of all; `source` is what it speaks of, as a path of this
    site or a foreign IRI. `version` counts its texts from 1. A deleted one
    has no text any more and keeps its id for ever.
    """

    __tablename__ = "annotation"
    __table_args__ = (
        Index("ix_annotation_listed", "deleted_at", "created_at", "id"),
    )

    id: str = Field(primary_key=True)
    thread_id: int | None = Field(
        default=None, foreign_key="thread.id", index=True
    )
    parent_id: str | None = Field(
        default=None, foreign_key="annotation.id", index=True
    )
    motivation: Motivation = Field(sa_column=_enum_column(Motivation))
    person_id: int | None = Field(
        default=None, foreign_key="person.id", index=True
    )
    reviewer_id: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )
    created_at: datetime = Field(sa_type=UTC_TIME)
    position: int
    text: str
    html: str
    message_id: str | None = None
    document: dict[str, Any] = Field(sa_column=_json_column())
    container: str = ""
    source: str = Field(default="", index=True)
    version: int = 1
    modified_at: datetime | None = Field(
        default=None, sa_type=UTC_TIME, index=True
    )
    deleted_at: datetime | None = Field(default=None, sa_type=UTC_TIME)


class AnnotationTag(SQLModel, table=True):
    """A word that an annotation is tagged with."""

    __tablename__ = "annotation_tag"

    annotation_id: str = Field(foreign_key="annotation.id", primary_key=True)
    tag: str = Field(primary_key=True, index=True)


class Stance(SQLModel, table=True):
    """How a reviewer stands to a thread now; one each.

    `annotation_id` is the post that says so; former ones stay in the log.
    """

    __tablename__ = "stance"
    __table_args__ = (UniqueConstraint("thread_id", "reviewer_id"),)

    id: int | None = Field(default=None, primary_key=True)
    thread_id: int = Field(foreign_key="thread.id")
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    value: StanceValue = Field(sa_column=_enum_column(StanceValue))
    text: str
    annotation_id: str | None = Field(
        default=None, foreign_key="annotation.id", index=True
    )
    taken_at: datetime = Field(sa_type=UTC_TIME)


class StoredAnswer(SQLModel, table=True):
    """What a request with an Idempotency-Key was answered, to repeat it.

    `fingerprint` is the SHA-256 of the body; there is no `status` while the
    first request is still under way.
    """

    __tablename__ = "stored_answer"
    __table_args__ = (UniqueConstraint("reviewer_id", "route", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    reviewer_id: int = Field(foreign_key="reviewer.id")
    route: str
    key: str
    fingerprint: str
    status: int | None = None
    headers: list[list[str]] = Field(sa_column=_json_column())
    body: bytes = Field(sa_column=Column(PackedBytes, nullable=False))
    created_at: datetime = Field(sa_type=UTC_TIME, index=True)


class Anchor(SQLModel, table=True):
    """Where an annotation, or a thread, points in one revision.

    One of `annotation_id` and `thread_id` is set; `position` tells several
    places of one apart. `exact`, `prefix` and `suffix` are the quote as it
    stands in this revision (empty: the whole clause), `start` and `end` its
    code points in the section's text, `digest` the SHA-256 of that text.
    `section_id` and `call_id` are where it is pinned; a proposed one has
    `rivals` (section, start, end, score, exact) and waits for `reviewer_id`.
    `score` is in thousandths.
    """

    __tablename__ = "anchor"
    __table_args__ = (
        UniqueConstraint("annotation_id", "revision_id", "position"),
        UniqueConstraint("thread_id", "revision_id", "position"),
        Index("ix_anchor_state", "revision_id", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    annotation_id: str | None = Field(
        default=None, foreign_key="annotation.id"
    )
    thread_id: int | None = Field(default=None, foreign_key="thread.id")
    revision_id: int = Field(foreign_key="revision.id", index=True)
    position: int = 0
    section_id: int | None = Field(
        default=None, foreign_key="section.id", index=True
    )
    call_id: int | None = Field(
        default=None, foreign_key="call.id", index=True
    )
    note: str | None = None
    state: AnchorState = Field(sa_column=_enum_column(AnchorState))
    method: str
    score: int
    start: int | None = None
    end: int | None = None
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    digest: str = ""
    rivals: list[dict[str, Any]] = Field(sa_column=_json_column())
    reviewer_id: int | None = Field(
        default=None, foreign_key="reviewer.id", index=True
    )
    made_at: datetime = Field(sa_type=UTC_TIME)


class Scenario(SQLModel, table=True):
    """A question that can be run; `text` is its TOML."""

    __tablename__ = "scenario"
    __table_args__ = (UniqueConstraint("proposal_id", "slug"),)

    id: int | None = Field(default=None, primary_key=True)
    proposal_id: int = Field(foreign_key="proposal.id")
    thread_id: int | None = Field(
        default=None, foreign_key="thread.id", index=True
    )
    position: int
    slug: str
    question: str
    text: str
    run_id: str | None = Field(default=None, foreign_key="run.id")


class ScenarioCall(SQLModel, table=True):
    """A call that a scenario is about."""

    __tablename__ = "scenario_call"

    scenario_id: int = Field(foreign_key="scenario.id", primary_key=True)
    call_id: int = Field(foreign_key="call.id", primary_key=True, index=True)


class SavedScenario(SQLModel, table=True):
    """Who saved a scenario here; those of a corpus have no such row."""

    __tablename__ = "saved_scenario"

    scenario_id: int = Field(foreign_key="scenario.id", primary_key=True)
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    saved_at: datetime = Field(sa_type=UTC_TIME)


class Run(SQLModel, table=True):
    """The report of exploring a scenario; its id is the content's hash.

    `text` is the scenario that was run, so that a run stands for itself;
    `scenario_slug` names the one it came from, if it is one of the list.
    `answers` is the report without its executions, which lists need not read.
    """

    __tablename__ = "run"

    id: str = Field(primary_key=True)
    scenario_slug: str | None = Field(default=None, index=True)
    question: str
    model: str
    text: str
    report: dict[str, Any] = Field(sa_column=_json_column())
    created_at: datetime = Field(sa_type=UTC_TIME)
    answers: dict[str, Any] = Field(sa_column=_json_column())


class Survey(SQLModel, table=True):
    """What running many questions found; its id is the content's hash.

    `kind` says what was looked for, `subject` of which platform or question.
    It can be made again from the questions, so no entry tells of it.
    """

    __tablename__ = "survey"
    __table_args__ = (Index("ix_survey_kind_subject", "kind", "subject"),)

    id: str = Field(primary_key=True)
    kind: str
    subject: str
    model: str
    content: dict[str, Any] = Field(sa_column=_json_column())
    created_at: datetime = Field(sa_type=UTC_TIME)


class Evidence(SQLModel, table=True):
    """A run put forward on a thread, with the answer that was expected."""

    __tablename__ = "evidence"

    id: int | None = Field(default=None, primary_key=True)
    thread_id: int = Field(foreign_key="thread.id", index=True)
    run_id: str = Field(foreign_key="run.id", index=True)
    platform: str
    variant: str | None = None
    outcome: str
    expected: Answer = Field(sa_column=_enum_column(Answer))
    answer: Answer = Field(sa_column=_enum_column(Answer))
    state: EvidenceState = Field(sa_column=_enum_column(EvidenceState))
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    created_at: datetime = Field(sa_type=UTC_TIME)


class Decision(SQLModel, table=True):
    """What was decided on a thread; superseded by a later one, never edited.

    `number` counts the decisions of a proposal from 1. `entry_seq` is the
    line of the event log that tells of it.
    """

    __tablename__ = "decision"
    __table_args__ = (UniqueConstraint("proposal_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    proposal_id: int = Field(foreign_key="proposal.id")
    number: int
    thread_id: int = Field(foreign_key="thread.id", index=True)
    disposition: Disposition = Field(sa_column=_enum_column(Disposition))
    reason: str
    reason_html: str
    dissent: str
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    decided_at: datetime = Field(sa_type=UTC_TIME)
    supersedes_id: int | None = Field(
        default=None, foreign_key="decision.id", unique=True
    )
    entry_seq: int = Field(foreign_key="entry.seq")


class DecisionEvidence(SQLModel, table=True):
    """A piece of evidence that a decision stands on."""

    __tablename__ = "decision_evidence"

    decision_id: int = Field(foreign_key="decision.id", primary_key=True)
    evidence_id: int = Field(
        foreign_key="evidence.id", primary_key=True, index=True
    )


class Entry(SQLModel, table=True):
    """One line of the event log: append-only and hash-chained.

    `hash` is the SHA-256 of the canonical JSON of all other columns,
    `previous` is the hash of the line before (64 zeros for the first).
    """

    __tablename__ = "entry"

    seq: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False)
    )
    id: str = Field(unique=True)
    at: datetime = Field(sa_type=UTC_TIME)
    actor: str
    type: str
    subject: str
    data: dict[str, Any] = Field(sa_column=_json_column())
    previous: str
    hash: str = Field(unique=True)


class SearchItem(SQLModel, table=True):
    """Something that can be found; what is searched of it is `search_text`.

    That table is the engine's own, so it is no model. The number grows with
    the item's time (see `search_index`). `ref` is what the kind's own table
    calls it, a mail's is its row; `digest` is that of what is searched.
    """

    __tablename__ = "search_item"
    __table_args__ = (UniqueConstraint("kind", "ref"),)

    id: int = Field(
        sa_column=Column(
            BigInteger().with_variant(Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        )
    )
    kind: SearchKind = Field(sa_column=_enum_column(SearchKind))
    ref: str
    digest: int = Field(sa_column=Column(BigInteger, nullable=False))


class SearchState(SQLModel, table=True):
    """How the index was made, and which entry of the log it has seen last.

    There is no row until it has been filled.
    """

    __tablename__ = "search_state"

    id: int | None = Field(default=None, primary_key=True)
    version: int
    seq: int


class SavedSearch(SQLModel, table=True):
    """A search that a reviewer keeps under a name, with a feed of its own."""

    __tablename__ = "saved_search"

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    name: str
    query: str
    kind: SearchKind | None = Field(
        default=None, sa_column=_enum_column(SearchKind, nullable=True)
    )
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    saved_at: datetime = Field(sa_type=UTC_TIME)
