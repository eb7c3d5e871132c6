"""A reading of mails that never ends at one of them, for other processes."""

import time
from collections.abc import Sequence

from app.services.preparing import Prepared, prepare_mails

SLOW = b"<7@x>"


def read_slowly(raws: Sequence[bytes]) -> list[Prepared | str]:
    """Read mails, but for ever if a certain one is among them."""
    if any(SLOW in raw for raw in raws):
        time.sleep(600)
    return prepare_mails(raws)
