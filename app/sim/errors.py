"""The three ways in which a step can end without a next state.

They are never mixed::

    GuestFault      what the guest sees: an exception with its vector
    Unspecified     the RFC does not say: a gap in the text under review
    NotModelled     we do not say: a gap in this simulator

Being wrong ourselves is an assertion. What a stranger writes wrongly (a
listing, a scenario, an outcome) is refused before anything runs, by errors
derived from `RefusedText`.
"""


class GuestFault(Exception):  # noqa: N818 - the design's word: not an error
    """Raised when an instruction ends in an exception of the processor.

    Parameters
    ----------
    vector
        Number of the exception: 13 for #GP.
    error_code
        The word pushed with it, or None where the vector has none.
    address
        The linear address that #PF leaves in CR2, or None.
    """

    def __init__(
        self,
        vector: int,
        error_code: int | None = None,
        address: int | None = None,
    ) -> None:
        super().__init__(vector, error_code, address)
        self.vector = vector
        self.error_code = error_code
        self.address = address

    def __str__(self) -> str:
        """Say the vector and the error code."""
        if self.error_code is None:
            return f"exception {self.vector}"
        return f"exception {self.vector} ({self.error_code:#x})"


class Unspecified(Exception):  # noqa: N818 - the design's word
    """Raised when the RFC does not say what happens next.

    Parameters
    ----------
    section
        The clause in which the word is missing.
    policy
        The policy by which a reading of the clause can be chosen.
    readings
        The values of that policy which settle the question.
    """

    def __init__(
        self, section: str, *, policy: str, readings: tuple[str, ...]
    ) -> None:
        super().__init__(section, policy, readings)
        self.section = section
        self.policy = policy
        self.readings = readings

    def __str__(self) -> str:
        """Name the clause and the readings."""
        return f"{self.section} does not say: {', '.join(self.readings)}"


class NotModelled(Exception):  # noqa: N818 - the design's word
    """Raised when a step needs something that this simulator lacks."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        """Say what is missing."""
        return f"not modelled: {self.what}"


class RefusedText(Exception):  # noqa: N818 - as the others
    """Raised when a text is not in its language: what, where, what would do.

    Parameters
    ----------
    message
        What is wrong.
    line, column
        Where, counted from 1 in the text.
    expected
        What would have been right there.
    """

    def __init__(
        self, message: str, line: int, column: int, expected: str
    ) -> None:
        super().__init__(message, line, column, expected)
        self.message = message
        self.line = line
        self.column = column
        self.expected = expected

    def __str__(self) -> str:
        """Say what is wrong, where, and what was expected."""
        return (
            f"line {self.line}, column {self.column}: {self.message}; "
            f"expected {self.expected}"
        )
