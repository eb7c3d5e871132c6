"""The rows of a reply, put into a copy of the tables by SQLite alone.

What a reply to vmi-review leaves behind is read from its database: an
annotation, a line of the log, and what is found by search. The same is
inserted into a copy again and again, a transaction each, durable as there.
"""

import itertools
import sqlite3
import time
import uuid
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

from app.services.search_terms import COLUMNS

try:
    import pysqlite3.dbapi2 as driver
except ImportError:
    driver = sqlite3

Values = dict[str, Any]


class Inserts:
    """Inserts into a copy of a server's database.

    Parameters
    ----------
    source
        The database of the server, to which replies were posted.
    copy
        Where its copy is put.
    """

    def __init__(self, source: Path, copy: Path) -> None:
        self.rates: list[float] = []
        module: ModuleType = driver
        with_data = module.connect(str(source))
        with_data.execute(f"VACUUM INTO '{copy}'")
        with_data.close()
        self.connection = module.connect(str(copy), isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.annotation = self._read("annotation", "created_at")
        self.entry = self._read("entry", "seq")
        self.item = self._read("search_item", "id")
        self.words = dict.fromkeys(COLUMNS, "")
        self.words["own"] = self.annotation["text"]
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def _read(self, table: str, order: str) -> Values:
        cursor = self.connection.execute(
            f"SELECT * FROM {table} ORDER BY {order} DESC LIMIT 1"  # noqa: S608
        )
        row = cursor.fetchone()
        names = [column[0] for column in cursor.description]
        return dict(zip(names, row, strict=True))

    def press(self, seconds: float) -> None:
        """Insert for a while and note how many a second."""
        done, began = 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            self._insert_one()
            done += 1
        self.rates.append(done / (time.perf_counter() - began))

    def _insert_one(self) -> None:
        number, name = next(self._numbers), str(uuid.uuid4())
        self.connection.execute("BEGIN IMMEDIATE")
        self._insert("annotation", {**self.annotation, "id": name})
        seq = self.entry["seq"] + number
        self._insert(
            "entry", {**self.entry, "seq": seq, "id": name, "hash": name}
        )
        item = self.item["id"] + number
        self._insert("search_item", {**self.item, "id": item, "ref": name})
        self._insert("search_text", {"rowid": item, **self.words})
        self.connection.execute("UPDATE search_state SET seq = ?", (seq,))
        self.connection.execute("COMMIT")

    def _insert(self, table: str, values: Values) -> None:
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        self.connection.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
            tuple(values.values()),
        )
