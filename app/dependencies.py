"""What a request is given of the database: dependencies of the routes.

Apart from `app.db`, for FastAPI takes as long to load as all the rest of a
command: none but `serve` waits for it.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from app.db import Database

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def get_database(request: Request) -> Database:
    """Return the database of the application that serves `request`."""
    database: Database = request.app.state.database
    return database


async def get_session(request: Request) -> AsyncIterator[Session]:
    """Open the request's session: a reading one for GET, else a writing."""
    database = get_database(request)
    reads = request.method in SAFE_METHODS
    if not reads:
        # no writer waits for another's slow line
        await request.body()
    async with database.enter(reads=reads) as session:
        yield session


# the scope ends the transaction before the answer is sent: the reader's next
# request sees the change
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
DatabaseDep = Annotated[Database, Depends(get_database)]
