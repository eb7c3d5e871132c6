"""Live pages: which news are the reader's own doing, on this page."""

from fastapi import Response

from app.dependencies import SessionDep
from app.pages import Shell
from app.services import entries

OWN_ENTRIES = "Review-Entries"
"""Header of an answer to htmx: numbers of the log's lines for a change."""


def name_own_entries(
    answer: Response, shell: Shell, session: SessionDep
) -> Response:
    """Tell the page which lines of the log its own change wrote.

    The page shows that change already and does not count it as news. `shell`
    was read before the change, in the same session.
    """
    if shell.reviewer is not None:
        actor = shell.reviewer.actor
        lines = entries.list_entries(session, after=shell.head.seq)
        own = [str(line.seq) for line in lines if line.actor == actor]
        answer.headers[OWN_ENTRIES] = " ".join(own)
    return answer
