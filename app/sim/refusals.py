"""What to do about errors in a text: let the first through, or keep all.

A reader does what may be refused inside ``with refusals:``, and goes on
behind it with a value that does no harm. A compiler of questions lets the
first error through; an editor shows all of them.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar

from app.sim.errors import RefusedText

T = TypeVar("T")


class Refusals:
    """Errors that were kept; with ``most`` 0 none is, and all go through.

    ``translate`` makes another error of each, with its place in a file.
    """

    def __init__(
        self,
        most: int = 0,
        translate: Callable[[RefusedText], RefusedText] | None = None,
        found: list[RefusedText] | None = None,
    ) -> None:
        self.most: Final = most
        self.translate: Final = translate
        self.found: Final = [] if found is None else found

    def inside(
        self, translate: Callable[[RefusedText], RefusedText]
    ) -> "Refusals":
        """Keep errors in the same place, each translated first."""
        return Refusals(self.most, translate, self.found)

    def __enter__(self) -> None:
        """Begin something that may be refused."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep an error, unless there are enough of them."""
        if not isinstance(error, RefusedText):
            return False
        told = self.translate(error) if self.translate else error
        if len(self.found) < self.most:
            self.found.append(told)
            return True
        if told is error:
            return False
        raise told from None

    def attempt(self, reader: Callable[[], T], otherwise: T) -> T:
        """Answer what a reader answers, or something else if it is refused."""
        with self:
            return reader()
        return otherwise


STRICT: Final = Refusals()
"""Lets every error through."""
