"""How much of a container is wanted: `Prefer` (RFC 7240, and LDP).

Other preferences than those for a representation's parts are not ours to
obey, and nobody is refused for having them.
"""

from typing import NamedTuple

from fastapi import Request

from app.errors import MalformedError
from app.routes.accept import split_list

MINIMAL = "http://www.w3.org/ns/ldp#PreferMinimalContainer"
IRIS = "http://www.w3.org/ns/oa#PreferContainedIRIs"
DESCRIPTIONS = "http://www.w3.org/ns/oa#PreferContainedDescriptions"
APPLIED = "return=representation"


class Preference(NamedTuple):
    """What is wanted of a container.

    Parameters
    ----------
    is_minimal
        Whether nothing of its annotations is wanted.
    iris
        Whether pages shall have addresses only, or whole annotations; None
        if that was not said.
    """

    is_minimal: bool = False
    iris: bool | None = None

    @property
    def is_obeyed(self) -> bool:
        """Tell whether the answer is another for it."""
        return self.is_minimal or self.iris is not None

    @property
    def is_embedding(self) -> bool:
        """Tell whether the first page is wanted inside."""
        return self.iris is not None and not self.is_minimal


def read_preference(request: Request) -> Preference:
    """Return what the request prefers.

    Raises
    ------
    MalformedError
        When both forms of a page are wanted at once.
    """
    included = _read_included(", ".join(request.headers.getlist("prefer")))
    iris, descriptions = IRIS in included, DESCRIPTIONS in included
    if iris and descriptions:
        raise MalformedError(
            f"Prefer: a page holds {IRIS} or {DESCRIPTIONS}, not both"
        )
    return Preference(
        is_minimal=MINIMAL in included,
        iris=iris if iris or descriptions else None,
    )


def _read_included(header: str) -> frozenset[str]:
    for wish, *parameters in split_list(header):
        name, value = _read_pair(wish)
        if name != "return":
            continue
        # of a wish that is uttered twice the first one counts
        if value.lower() == "representation":
            told = dict(map(_read_pair, reversed(parameters)))
            return frozenset(told.get("include", "").split())
        break
    return frozenset()


def _read_pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip().strip('"')
