"""What the document says before a passage, for who counts in UTF-16 units.

Only a text with characters that take two units makes a difference, so in
most reviews nothing is read but the one question whether there is any.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Revision, Section
from app.services.annotations import find_passage, read_text
from app.services.hypothesis_selectors import find_quote
from app.services.revisions import select_newest_id
from app.services.utf16 import has_pairs


class _Part(NamedTuple):
    start: int
    text: str


class Texts:
    """The document under review as far as offsets need it, read at need."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def starts(self) -> Mapping[str, int]:
        """Return where each section begins in the Markdown, by its anchor.

        That is the order of passages on the page, and near enough to where
        the client looks for a quote first.
        """
        rows = self._session.execute(
            select(col(Section.anchor), col(Section.start)).where(
                col(Section.revision_id) == select_newest_id()
            )
        )
        return {row[0]: row[1] for row in rows}

    def find_before(self, selectors: Sequence[Mapping[str, Any]]) -> str:
        """Return the text that ends where a quoted passage begins.

        Of a passage that is not in the document it is what the quote itself
        says of the text before it.
        """
        quote = find_quote(selectors)
        if quote is None:
            return ""
        prefix = str(quote.get("prefix") or "")
        exact = str(quote.get("exact") or "")
        if not has_pairs(self._markdown) or not exact:
            return prefix
        places = [
            place
            for part in self._parts
            if (place := _find_place(part, prefix, exact)) is not None
        ]
        if not places:
            return prefix
        # the one with the right words before it, else the first
        _, start, text = max(places, key=lambda place: place[0])
        return f"{self._markdown[:start]}{text}"

    @cached_property
    def _markdown(self) -> str:
        return (
            self._session.scalar(
                select(col(Revision.text)).where(
                    col(Revision.id) == select_newest_id()
                )
            )
            or ""
        )

    @cached_property
    def _parts(self) -> Sequence[_Part]:
        rows = self._session.execute(
            select(col(Section.start), col(Section.html))
            .where(col(Section.revision_id) == select_newest_id())
            .order_by(col(Section.position))
        )
        return [_Part(start, read_text(html)) for start, html in rows]


def _find_place(
    part: _Part, prefix: str, exact: str
) -> tuple[bool, int, str] | None:
    """Return whether a quote stands in a section for sure, and after what."""
    whole = find_passage(part.text, f"{prefix}{exact}") if prefix else None
    near = whole.end - len(exact) if whole else None
    found = find_passage(part.text, exact, near)
    if found is None:
        return None
    return whole is not None, part.start, part.text[: found.start]
