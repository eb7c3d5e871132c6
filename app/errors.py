"""What services raise; nobody below routes says HTTP.

ReviewError
├── NotFoundError          404
├── GoneError              410
├── ConflictError          409
├── PreconditionError      412
├── MissingConditionError  428
├── UnacceptableError      406
├── MediaTypeError         415
├── ForbiddenError         403
├── SignInError            401
├── WaitError              later
│   ├── ThrottleError      429
│   └── BusyError          503
├── CommandError           ends a command
└── InvalidError           422
    ├── MalformedError     400
    └── CorpusError        a file of facts is wrong
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ReviewError(Exception):
    """Base of all that a service refuses."""


class NotFoundError(ReviewError):
    """Raised when nothing has the name asked for."""

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"no {noun} is called {name!r}")
        self.noun = noun
        self.name = name


class GoneError(ReviewError):
    """Raised when what is asked for was there and is deleted for good."""

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"the {noun} {name!r} was deleted")
        self.noun = noun
        self.name = name


class ConflictError(ReviewError):
    """Raised when the change does not fit what is there now."""


class PreconditionError(ReviewError):
    """Raised when somebody else has changed what is to be changed.

    `draft` is what was sent, so that nothing typed is lost; `tag` is the
    entity tag of what is there now.
    """

    def __init__(
        self, message: str, *, draft: str = "", tag: str = ""
    ) -> None:
        super().__init__(message)
        self.draft = draft
        self.tag = tag


class MissingConditionError(ReviewError):
    """Raised when a change must say which version it was made from."""


class UnacceptableError(ReviewError):
    """Raised when there is none of the forms that are asked for."""

    def __init__(self, *offered: str) -> None:
        super().__init__(f"expected to be asked for {_join(offered)}")
        self.offered = offered


class MediaTypeError(ReviewError):
    """Raised when a body is of a kind that is not understood here."""

    def __init__(self, sent: str, *understood: str) -> None:
        told = f"{sent!r} is" if sent else "a body without Content-Type is"
        super().__init__(
            f"{told} not understood here; expected {_join(understood)}"
        )
        self.sent = sent
        self.understood = understood


class ForbiddenError(ReviewError):
    """Raised when this reviewer's role does not allow the act."""


class SignInError(ReviewError):
    """Raised when nobody, or nobody known, asks for what needs a name."""


class WaitError(ReviewError):
    """Base of what is refused now and may be asked after some seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottleError(WaitError):
    """Raised when somebody asks more often than is good."""


class BusyError(WaitError):
    """Raised when more is asked at once than can be served."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: where (a JSON Pointer), and what.

    Inside a text, line and column count from 1, and `expected` says what
    would have been right there.
    """

    pointer: str
    message: str
    line: int | None = None
    column: int | None = None
    expected: str | None = None


class InvalidError(ReviewError):
    """Raised when an input is refused; says what is wrong where."""

    def __init__(self, message: str, *faults: Fault) -> None:
        super().__init__(message)
        self.faults = faults


class MalformedError(InvalidError):
    """Raised when a request cannot be read as what it says it is."""


class CorpusError(InvalidError):
    """Raised when a corpus file does not hold what it must."""

    def __init__(
        self, file: str, message: str, *, entry: str = "", field: str = ""
    ) -> None:
        place = ", ".join(
            part
            for part in (
                file,
                entry and f"entry {entry}",
                field and f"field {field}",
            )
            if part
        )
        super().__init__(f"{place}: {message}")
        self.file = file
        self.entry = entry
        self.field = field


class CommandError(ReviewError):
    """Raised when a command cannot do what was typed; ends the program."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def _join(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
