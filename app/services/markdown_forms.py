"""A thread, a call or a decision as Markdown that reads well as plain text.

What somebody wrote is quoted, so that it cannot pass for what the review
says of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from app.services.annotations import PostRow
from app.services.calls import CallRecord
from app.services.decision_rows import DecisionRow
from app.services.exports import escape, quote, wrap, write_decision
from app.services.thread_rows import ThreadDetail


def write_thread(
    thread: ThreadDetail, posts: Sequence[PostRow], base_url: str
) -> str:
    """Return a thread with all that was said on it."""
    return "\n".join(_write_thread(thread, posts, base_url))


def _write_thread(
    thread: ThreadDetail, posts: Sequence[PostRow], base_url: str
) -> Iterator[str]:
    yield f"# {escape(thread.title)}"
    yield ""
    yield from _list_facts(
        {
            "Kind": f"{thread.kind}, {thread.severity}",
            "State": thread.state,
            "Opened": f"{_format_time(thread.opened_at)} "
            f"by {escape(thread.opener)}",
            "Calls": ", ".join(thread.calls),
            "Sections": ", ".join(
                escape(f"{s.number} {s.title}".strip())
                for s in thread.sections
            ),
            "Questions": ", ".join(s.slug for s in thread.scenarios),
            "Address": f"{base_url}/threads/{thread.slug}",
        }
    )
    yield from _quote_under("What it quotes", thread.quote or "")
    yield from _quote_under("What it says", thread.summary)
    for post in posts:
        if not post.is_deleted:
            said_at = _format_time(post.created_at)
            set_to = f" set it to {post.now}" if post.now else ""
            head = f"{escape(post.author)}{set_to}, {said_at}"
            yield from _quote_under(head, post.text)


def write_call(call: CallRecord, scenarios: Sequence[str], base: str) -> str:
    """Return a call with what the facts say and what concerns it."""
    return "\n".join(_write_call(call, scenarios, base))


def _write_call(
    call: CallRecord, scenarios: Sequence[str], base_url: str
) -> Iterator[str]:
    facts = call.facts
    yield f"# {escape(facts.name)}"
    yield ""
    if facts.prototype:
        yield f"    {facts.prototype}"
        yield ""
    yield from _list_facts(
        {
            "Number": "" if facts.number is None else str(facts.number),
            "Group": escape(facts.group),
            "Status": facts.status,
            "Inputs": _join_pairs(facts.inputs),
            "Outputs": _join_pairs(facts.outputs),
            "Clobbers": escape(facts.clobbers or ""),
            "Segments": escape(facts.segments or ""),
            "Native equivalent": escape(facts.native_equivalent or ""),
            "Defined in": escape(facts.spec_section or ""),
            "Threads": ", ".join(t.slug for t in call.threads),
            "Questions": ", ".join(scenarios),
            "Address": f"{base_url}/calls/{facts.name}",
        }
    )
    for title, lines in (
        ("Semantics", facts.semantics),
        ("Notes", facts.notes),
    ):
        yield from _list_under(title, lines)


def write_one_decision(decision: DecisionRow, base_url: str) -> str:
    """Return a decision with all that it stands on."""
    return "\n".join(write_decision(decision, base_url)).lstrip("\n")


def _list_facts(facts: Mapping[str, str]) -> Iterator[str]:
    for name, fact in facts.items():
        if fact:
            yield from wrap(f"- {name}: {fact}", "  ")
    yield ""


def _list_under(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = [escape(line) for line in lines]
    if told:
        yield f"## {title}"
        yield ""
        for line in told:
            yield from wrap(f"- {line}", "  ")
        yield ""


def _quote_under(title: str, text: str) -> Iterator[str]:
    if text.strip():
        yield f"## {title}"
        yield ""
        yield from quote(text)
        yield ""


def _join_pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{k} {escape(v)}" for k, v in pairs.items())


def _format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
