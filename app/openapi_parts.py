"""What the API's description says beside what the routes know."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.config import ROOT
from app.idempotency import KEY_MOST
from app.routes.problem_types import BY_STATUS, EXTRAS, TYPES
from app.routes.runs_api import SCENARIO
from app.services.asking import Question, compute_run_id

Json = dict[str, Any]

DESCRIPTION = """\
Read the review, run its questions, and, with a token, take part in it.

**Who asks.** Reading needs no token unless the review is private, nor does
running a question. A token is made by `vmi-review token create NAME` or on the
page of one's account, and sent as `Authorization: Bearer TOKEN`.

**Lists** answer `{"items": […]}`, take `limit` (500 at most) and are followed
by their `Link` headers (RFC 8288): `next` and `prev`, `first` and `last`.
`/api/bulk/…` gives everything at once, a line each, and takes lines.

**Refusals** are `application/problem+json` (RFC 9457). `type` leads to a page
that explains it (`/problems/`), `errors` names each refused part by a JSON
Pointer.

**Versions.** An answer has a strong `ETag`. Sent as `If-None-Match` it saves
reading again (304), as `If-Match` it keeps a change from overwriting another
(412, with what was sent as `draft`).

**Again.** A `POST` with an `Idempotency-Key` is carried out once: sent again
within a day it is answered as before.

**Forms.** `/document`, `/calls/…`, `/threads/…` and `/decisions/…` have JSON,
Markdown and HTML by `Accept` or by an ending, `.json`, `.md`, `.html`; some
have `.jsonld` and `.mbox`. Annotations are a service by the W3C's protocol, in
JSON-LD and Turtle, and under `/h/api/` as clients of Hypothesis know them,
where a refusal is `{"status": "failure", "reason": …}`.
"""
TAGS: Mapping[str, str] = {
    "annotations": "Every remark, by the W3C Web Annotation Protocol.",
    "threads": "Objections, questions and suggestions, and what was said.",
    "stances": "How each reviewer stands to a thread.",
    "evidence": "Runs that a thread stands on.",
    "decisions": "What was decided, and why.",
    "calls": "The calls of the interface.",
    "revisions": "Texts of the document.",
    "messages": "The mails of the review.",
    "scenarios": "Questions that can be run.",
    "runs": "Answers to questions, and what each step costs.",
    "platforms": "What questions are run on.",
    "gaps": "Cases on which the RFC is silent.",
    "diet": "Which calls can be left out.",
    "search": "Everything, by a query.",
    "account": "One's own account: tokens and sessions.",
    "accounts": "For administrators: accounts, invitations, members.",
    "bulk": "Many things at once, as lines of JSON.",
    "log": "The event log.",
    "events": "Changes of it as they happen.",
    "hypothesis": "Annotations, as clients of Hypothesis know them.",
}


class Place(NamedTuple):
    """A part of an address: what it is, and one that there is."""

    description: str
    example: object


QUESTION = "kleen-sti-shadow"
_TEXT = ROOT / "app" / "corpus" / "vmi" / "scenarios" / f"{QUESTION}.toml"
RUN = compute_run_id(Question(QUESTION, _TEXT.read_text()))
PLACES: Mapping[tuple[str, str], Place] = {
    ("annotations", "name"): Place(
        "The annotation's id: the last part of its address.", "first-note"
    ),
    ("annotations", "proposal"): Place("The proposal's slug.", "vmi"),
    ("threads", "slug"): Place("The thread's slug.", "kleen-watchdog-nmi"),
    ("threads", "comment"): Place("The comment's id.", "first-comment"),
    ("threads", "reviewer"): Place("The name of an account.", "ada"),
    ("scenarios", "slug"): Place("The question's slug.", "kleen-sti-shadow"),
    ("calls", "name"): Place("The call's name.", "VMI_EnableInterrupts"),
    ("decisions", "number"): Place("The decision's number.", 1),
    ("revisions", "number"): Place("The revision's number.", 1),
    ("evidence", "number"): Place("The number of the evidence.", 1),
    ("runs", "id"): Place("The run's id: the hash of its content.", RUN),
    ("messages", "message_id"): Place(
        "The Message-ID without brackets.", "first@review.example"
    ),
    ("account", "number"): Place("The token's or the session's number.", 1),
    ("accounts", "name"): Place("The name of an account.", "bea"),
    ("members", "name"): Place("The name of an account.", "bea"),
    ("invitations", "number"): Place("The invitation's number.", 1),
    ("bulk", "noun"): Place("What the lines are.", "threads"),
    ("h", "name"): Place("The annotation's id.", "third-note"),
}
EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "show_proposal_annotation": {"name": "second-note"},
    "replace_proposal_annotation": {"name": "second-note"},
    "delete_proposal_annotation": {"name": "second-note"},
    "update_thread": {"slug": "ada-a-window-before-the-halt"},
    "replace_scenario": {"slug": "asked-lost-wake-up"},
    "remove_scenario": {"slug": "asked-lost-wake-up"},
    "import_lines": {"noun": "comments"},
    "read_own_token": {"number": 2},
    "delete_own_token": {"number": 2},
    "read_h_group": {"name": "__world__"},
}
"""Parts of addresses for which an operation needs another example."""

BODIES: Mapping[str, object] = {
    "create_revision": {
        "text": "# The RFC\n\nWords.\n",
        "change": "An earlier draft, which mails quote.",
        "dated_on": "2006-03-01",
        "is_reference": True,
    },
    "create_messages": "From: Ada <ada@review.example>\n"
    "Date: Thu, 23 Mar 2006 10:00:00 +0000\n"
    "Message-ID: <first@review.example>\n"
    "Subject: A question\n\nWhat if an NMI arrives here?\n",
    "create_thread_item": {
        "title": "A window before the halt",
        "kind": "objection",
        "severity": "concern",
        "text": "An interrupt can arrive **between** the two calls.",
        "calls": ["VMI_Halt"],
    },
    "update_thread": {"severity": "blocking"},
    "create_comment": {"text": "An NMI can arrive **between** the two steps."},
    "create_evidence": {
        "run": RUN,
        "platform": "software",
        "outcome": "sleeps-with-work",
        "expected": "never",
    },
    "create_scenario": {"name": "lost-wake-up", "text": SCENARIO},
    "replace_scenario": {"text": SCENARIO.replace("irq0 = 1", "irq0 = 2")},
    "create_h_annotation": {
        "uri": "https://review.example/document/",
        "text": "What if an NMI arrives here?",
        "tags": ["nmi"],
        "group": "__world__",
    },
    "update_h_annotation": {"text": "What if an NMI arrives **here**?"},
    "update_account": {"role": "editor"},
    "update_members": {"is_private": False},
}
"""Bodies that are taken as they stand; others are made of their fields."""

FILTERS: Mapping[tuple[str, str], str] = {
    ("calls", "group"): "Only calls of this group.",
    ("calls", "status"): "Only calls that the text treats so.",
    ("calls", "executable"): "Only calls that the simulator executes, or not.",
    ("messages", "list"): "Only mails that came by this list.",
    ("messages", "sender"): "Only mails of this sender.",
    ("messages", "since"): "Only mails of this day or later.",
    ("messages", "until"): "Only mails of this day or earlier.",
    ("messages", "attachments"): "Only mails with attachments, or without.",
    ("threads", "reviewer"): "Only threads that this person opened.",
    ("threads", "kind"): "Only threads of this kind.",
    ("threads", "state"): "Only threads in this state.",
    ("threads", "severity"): "Only threads of this severity.",
    ("threads", "call"): "Only threads that speak of this call.",
    ("threads", "section"): "Only threads that speak of this section.",
    ("h", "limit"): "How many rows at most.",
    ("h", "offset"): "How many rows to pass over.",
    ("h", "sort"): "By what the rows are sorted.",
    ("h", "order"): "Which way they are.",
    ("h", "search_after"): "What the last row that one has is sorted by.",
    ("h", "uri"): "Only on this page.",
    ("h", "url"): "The same as `uri`.",
    (
        "h",
        "wildcard_uri",
    ): "Only on pages of this pattern, `*` for any text.",
    ("h", "user"): "Only by this account.",
    ("h", "group"): "Only of this group.",
    ("h", "tag"): "Only with this tag.",
    ("h", "tags"): "The same as `tag`.",
    ("h", "any"): "Words of its text, tags, quote or address.",
    ("h", "quote"): "Words of what it quotes.",
    ("h", "text"): "Words of its text.",
    ("h", "references"): "Only what answers this annotation.",
    ("h", "_separate_replies"): "Whether replies are apart from `rows`.",
}
KEY_HEADER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request with the same key is carried out once.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": KEY_MOST,
        "pattern": r"^[!#-~]+$",
    },
}
MATCH_HEADER: Json = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the version that the change is made from; "
    "`*` is any.",
    "schema": {
        "type": "string",
        "pattern": r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$',
        "examples": ["*"],
    },
}
REASONS: Mapping[str, str] = {
    str(int(status)): kind.meaning for status, kind in BY_STATUS.items()
}
PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "description": "Where its kind is explained: an address that "
            "ends with one of "
            + ", ".join(f"`{kind.slug}`" for kind in TYPES)
            + "; or `about:blank`.",
            "examples": ["https://review.example/problems/invalid"],
        },
        "title": {"type": "string", "examples": ["A part of it is refused"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {
            "type": "string",
            "description": "What is wrong, for a person.",
            "examples": ["part of the request was not understood"],
        },
        "instance": {"type": "string", "examples": ["/api/runs"]},
        "errors": {
            "type": "array",
            "description": "Each refused part.",
            "items": {"$ref": "#/components/schemas/ProblemPart"},
        },
        **{
            name: {"type": "string", "description": told}
            for name, told in EXTRAS.items()
        },
    },
}
FAILURE: Json = {
    "type": "object",
    "title": "Failure",
    "description": "Why a request of a Hypothesis client was refused.",
    "required": ["status", "reason"],
    "properties": {
        "status": {"const": "failure"},
        "reason": {
            "type": "string",
            "description": "What is wrong, for a person.",
            "examples": ["no such group"],
        },
    },
}
PART: Json = {
    "type": "object",
    "title": "ProblemPart",
    "description": "One refused part; its place is a pointer or a parameter.",
    "required": ["detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "JSON Pointer into the body.",
            "examples": ["/scenario_text"],
        },
        "parameter": {
            "type": "string",
            "description": "Name of a parameter of the address.",
            "examples": ["limit"],
        },
        "detail": {"type": "string", "examples": ["this is required"]},
        "line": {"type": "integer", "examples": [12]},
        "column": {"type": "integer", "examples": [7]},
        "expected": {"type": "string", "examples": ["a label"]},
    },
}
