"""The section ``[data]`` of a scenario file: named words of memory.

::

    [data]
    work = 0
    queue = [1, 2, 3]           # queue, queue[1] and queue[2]
"""

from typing import Final

from app.sim.listing import find_name_fault
from app.sim.observables import OBSERVABLES
from app.sim.outcome import OPERATORS
from app.sim.toml_places import ScenarioError
from app.sim.toml_table import Table

MAXIMUM_WORDS: Final = 256
SMALLEST_WORD: Final = -(1 << 31)
LARGEST_WORD: Final = (1 << 32) - 1


def read_data(table: Table) -> tuple[tuple[str, int], ...]:
    """Read the data words; those of a list but the first have an index."""
    words: list[tuple[str, int]] = []
    for name, value in table.values.items():
        with table.refusals:
            _require_word_name(table, name)
        if isinstance(value, list):
            words += _read_words(table, name)
        else:
            words.append((name, table.read_word(name)))
        with table.refusals:
            if len(words) > MAXIMUM_WORDS:
                place = table.document.locate_key((*table.path, name))
                raise ScenarioError(
                    "too many data words", *place, f"at most {MAXIMUM_WORDS}"
                )
    return tuple(words[:MAXIMUM_WORDS])


def _require_word_name(table: Table, name: str) -> None:
    """Refuse a name that listings or outcomes use for something else."""
    fault = find_name_fault(name)
    if not fault and (name in OBSERVABLES or name in OPERATORS):
        fault = "a name that outcomes do not use for something else"
    if fault:
        line, column = table.document.locate_key((*table.path, name))
        raise ScenarioError(
            f"a data word cannot be called {name[:40]!r}", line, column, fault
        )


def _read_words(table: Table, name: str) -> list[tuple[str, int]]:
    """Read a list of words that lie one after the other."""
    values = table.read_list(name)
    if not values:
        with table.refusals:
            table.refuse_value("this list is empty", (name,), "a number")
    words = []
    for place, value in enumerate(values):
        word = 0
        with table.refusals:
            if (
                not isinstance(value, int)
                or isinstance(value, bool)
                or not SMALLEST_WORD <= value <= LARGEST_WORD
            ):
                table.refuse_value(
                    "this does not fit",
                    (name, place),
                    f"a whole number from {SMALLEST_WORD} to {LARGEST_WORD}",
                )
            word = value % (1 << 32)
        words.append((f"{name}[{place}]" if place else name, word))
    return words
