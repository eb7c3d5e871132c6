"""What a Hypothesis client is told beside an annotation: its conversation."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.models import Annotation
from app.services.annotation_rows import (
    AnnotationRow,
    list_tags,
    read_chosen,
)
from app.services.annotations import OPENER
from app.services.hypothesis import Context, Document, Site, present
from app.services.hypothesis_selectors import flatten
from app.services.hypothesis_texts import Texts


def present_all(
    session: Session, rows: Sequence[AnnotationRow], site: Site
) -> list[Document]:
    """Return annotations as the Hypothesis API shows them."""
    chains = read_chains(session, rows)
    roots = _read_roots(session, chains)
    tags = list_tags(session, [row.id for row in rows])
    texts = Texts(session)
    made = []
    for row in rows:
        chain = chains[row.id]
        root = roots.get(chain[0]) if chain else None
        selectors = [] if chain else list_selectors(row)
        made.append(
            present(
                row,
                Context(
                    chain=chain,
                    root=root,
                    tags=tags.get(row.id, ()),
                    before=texts.find_before(selectors),
                    starts=texts.starts,
                ),
                site,
            )
        )
    return made


def list_selectors(row: AnnotationRow) -> list[Mapping[str, object]]:
    """Return all selectors of an annotation's targets."""
    target = row.document.get("target")
    return [
        selector
        for one in (target if isinstance(target, list) else [target])
        if isinstance(one, Mapping)
        for selector in flatten(one.get("selector"))
    ]


def read_chains(
    session: Session, rows: Sequence[AnnotationRow]
) -> Mapping[str, Sequence[str]]:
    """Return the ids of those that each annotation answers, first first.

    A post of a thread answers the thread's opener at last.
    """
    chains = _read_ancestors(session, [row.id for row in rows])
    threads = {row.thread_id for row in rows if row.thread_id is not None}
    rows_of_openers = session.execute(
        select(col(Annotation.thread_id), col(Annotation.id)).where(
            col(Annotation.thread_id).in_(threads),
            col(Annotation.position) == OPENER,
        )
    )
    openers = {row[0]: row[1] for row in rows_of_openers}
    made = {}
    for row in rows:
        chain = chains.get(row.id, [])
        opener = openers.get(row.thread_id)
        if opener is not None and opener != row.id and opener not in chain:
            chain = [opener, *chain]
        made[row.id] = chain
    return made


def _read_ancestors(
    session: Session, ids: Sequence[str]
) -> Mapping[str, list[str]]:
    id_, parent = col(Annotation.id), col(Annotation.parent_id)
    steps = (
        select(id_, parent).where(id_.in_(ids)).cte("steps", recursive=True)
    )
    above = aliased(Annotation)
    steps = steps.union(
        select(col(above.id), col(above.parent_id)).join(
            steps, col(above.id) == steps.c.parent_id
        )
    )
    parents = {row[0]: row[1] for row in session.execute(select(steps))}
    return {one: _climb(one, parents) for one in ids}


def _climb(id_: str, parents: Mapping[str, str | None]) -> list[str]:
    """Return the ancestors of one, the uppermost first."""
    chain: list[str] = []
    above = parents.get(id_)
    while above is not None and above not in chain:
        chain.insert(0, above)
        above = parents.get(above)
    return chain


def _read_roots(
    session: Session, chains: Mapping[str, Sequence[str]]
) -> Mapping[str, AnnotationRow]:
    ids = sorted({chain[0] for chain in chains.values() if chain})
    return {row.id: row for row in read_chosen(session, ids)}
