"""What is searched of a mail by itself, with nothing that needs the database.

What other tables hold of it (lists, files, what it quotes) is added by
`search_mails`. An import reads this with the mail, in another process.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from app.services.search_facts import make_terms, say_is, say_who
from app.services.search_terms import Terms
from app.services.trailers import get_name

_PATCH = re.compile(r"\[[^\]]*\bpatch\b", re.IGNORECASE)
_HUNK = "\n@@ -"


class SearchedMail(NamedTuple):
    """A mail, as far as it is searched."""

    subject: str
    sender: str
    in_reply_to: str | None
    is_reply: bool
    headers: Sequence[Sequence[str]]
    body: str


def read_terms(mail: SearchedMail, *, has_files: bool) -> Terms:
    """Return what a mail is found by, but for its names."""
    own, quoted = split_quoted(mail.body)
    words = ["mail"]
    if mail.in_reply_to is not None or mail.is_reply:
        words.append("reply")
    if _PATCH.search(mail.subject) or _HUNK in mail.body:
        words.append("patch")
    if has_files:
        words.append("attached")
    return make_terms(
        [*say_is(*words), *say_who(get_name(mail.sender))],
        title=mail.subject,
        sender=mail.sender,
        recipients=_get_header(mail.headers, "to"),
        copied=_get_header(mail.headers, "cc"),
        own=own,
        quoted=quoted,
    )


def split_quoted(body: str) -> tuple[str, str]:
    """Return what a mail says itself, and what it quotes."""
    own: list[str] = []
    quoted: list[str] = []
    for line in body.split("\n"):
        (quoted if line.startswith(">") else own).append(line)
    return "\n".join(own), "\n".join(quoted)


def _get_header(headers: Sequence[Sequence[str]], name: str) -> str:
    return " ".join(h[1] for h in headers if h[0].lower() == name)
