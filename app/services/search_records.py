"""What the index takes of each thing, whatever kind it is."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

from app.models import SearchKind
from app.services.search_terms import Terms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGEST_BYTES = 8


class Findable(NamedTuple):
    """Something that can be found, and what is searched of it."""

    kind: SearchKind
    ref: str
    at: datetime
    terms: Terms

    @property
    def columns(self) -> dict[str, str]:
        """Return the folded texts by column, in the columns' order."""
        return self.terms._asdict()

    @property
    def seconds(self) -> int:
        """Return its time; what is older than any is as old as 1970."""
        return max(0, int((self.at - EPOCH).total_seconds()))

    def compute_digest(self) -> int:
        """Return a number that differs when time or texts do."""
        content = "\n".join([str(self.seconds), *self.terms])
        digest = hashlib.blake2b(content.encode(), digest_size=DIGEST_BYTES)
        return int.from_bytes(digest.digest(), "big", signed=True)
