"""Windows: which part of a list in the order of its numbers is read; pure.

A list is read from its first item on, or, if only what comes after the part
is known, back from there: so a page has the ones before and after it, however
many there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, SQLColumnExpression

Row = TypeVar("Row")
Chosen = TypeVar("Chosen", bound=Select[*tuple[Any, ...]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The numbers that are asked for: greater than `above`, below `below`.

    `limit` is how many at most; None is all.
    """

    above: int | None = None
    below: int | None = None
    limit: int | None = None
    is_newest_first: bool = False

    @property
    def is_from_end(self) -> bool:
        """Tell whether the last ones of the list are taken."""
        bounds = (self.above, self.below)
        start, end = bounds[::-1] if self.is_newest_first else bounds
        return start is None and end is not None

    def cut(
        self, statement: Chosen, number: SQLColumnExpression[Any]
    ) -> Chosen:
        """Return a statement for these rows; `arrange` sets their order."""
        if self.above is not None:
            statement = statement.where(number > self.above)
        if self.below is not None:
            statement = statement.where(number < self.below)
        is_falling = self.is_newest_first != self.is_from_end
        order = number.desc() if is_falling else number
        return statement.order_by(order).limit(self.limit)

    def arrange(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows that were read so in the list's order."""
        return list(rows[::-1] if self.is_from_end else rows)

    def pick(
        self, rows: Sequence[Row], get_number: Callable[[Row], int]
    ) -> list[Row]:
        """Return the ones of a whole list, in its order."""
        found = [
            row
            for row in rows
            if (self.above is None or get_number(row) > self.above)
            and (self.below is None or get_number(row) < self.below)
        ]
        if self.limit is None:
            return found
        if self.is_from_end:
            return found[max(0, len(found) - self.limit) :]
        return found[: self.limit]


WHOLE = Window()
"""All of a list, the smallest number first."""

NEWEST_FIRST = Window(is_newest_first=True)
"""All of it, the greatest first."""
