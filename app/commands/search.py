"""`vmi-review search` and `vmi-review reindex`."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC

import typer

from app.commands.database import open_existing, open_for_change
from app.config import Settings
from app.errors import CommandError, InvalidError
from app.models import SearchKind
from app.services import search, search_index, search_store
from app.services.search import Order, ShownHit, Wanted
from app.services.snippets import Part

NAME = 12


def find(  # noqa: PLR0913 - an option each
    settings: Settings,
    words: Sequence[str],
    kind: str | None,
    order: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Print what a query finds; whoever reads the database sees all of it."""
    wanted = Wanted(
        text=" ".join(words),
        kind=SearchKind(kind) if kind else None,
        order=Order(order) if order else None,
        limit=limit,
    )
    with (
        open_existing(settings) as database,
        database.read() as session,
    ):
        try:
            found = search.search(
                session, wanted, account=None, is_masked=False
            )
        except InvalidError as error:
            raise CommandError(_point(wanted.text, error), status=2) from None
    for one in found.hits:
        typer.echo(_write_json(one) if as_json else _write(one))
    if not as_json:
        typer.echo(_write_counts(found.counts))


def _point(query: str, error: InvalidError) -> str:
    column = error.faults[0].column or 1
    return f"{error}\n  {query}\n  {' ' * (column - 1)}^"


def _write_counts(counts: Mapping[SearchKind, int]) -> str:
    told = [f"{kind.value} {count}" for kind, count in counts.items()]
    return ", ".join(told) or "Nothing is like this."


def _write(one: ShownHit) -> str:
    hit = one.hit
    day = str(hit.at.astimezone(UTC).date()) if hit.at else ""
    about = "  ".join(part for part in (day, one.who, hit.note) if part)
    lines = [
        f"{hit.kind.value:{NAME}}{_show(one.title)}",
        f"{'':{NAME}}{hit.name}  {about}".rstrip(),
        f"{'':{NAME}}{_show(one.snippet)}".rstrip(),
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _show(parts: Sequence[Part]) -> str:
    return "".join(
        typer.style(part.text, bold=True) if part.is_marked else part.text
        for part in parts
    )


def _write_json(one: ShownHit) -> str:
    hit = one.hit
    return json.dumps(
        {
            "kind": hit.kind.value,
            "name": hit.name,
            "title": "".join(part.text for part in one.title),
            "who": one.who,
            "date": hit.at.isoformat() if hit.at else None,
            "snippet": "".join(part.text for part in one.snippet),
        },
        ensure_ascii=False,
    )


def reindex(settings: Settings) -> None:
    """Make the search index anew, and say how much is in it."""
    with open_for_change(settings) as database:
        with database.write() as session:
            search_index.rebuild(session)
        with database.read() as session:
            count = search_store.count(session)
    typer.echo(f"{count:,} items can be found")
