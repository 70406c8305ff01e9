"""Dataclasses kept in a table, of which a damaged one is set aside and the rest goes on."""

import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from monailabel_app.store.database import Database
from monailabel_app.store.schema import digest, insert

Record = TypeVar("Record")


class Records(Generic[Record]):
    """The records of one table.

    Fields that the class does not have, as a later version may have written them, are passed over.

    Args:
        database: where they are kept.
        table: name of the table.
        kind: the dataclass.
    """

    def __init__(self, database: Database, table: str, kind: type[Record]) -> None:
        self._database = database
        self._table = table
        self._adapter: TypeAdapter[Record] = TypeAdapter(kind)

    def get(self, key: str) -> Record | None:
        """The record with a key; None where there is none, or it is damaged."""
        return next(iter(self.find("WHERE key = ?", (key,))), None)

    def find(self, condition: str = "ORDER BY key", parameters: Sequence[Any] = ()) -> list[Record]:
        """The records that meet a condition.

        Args:
            condition: what follows the table's name in SQL.
            parameters: for its question marks.
        """
        rows = self._database.select(
            f"SELECT key, document, digest FROM {self._table} {condition}", parameters
        )
        records = (self._read(key, document, seal) for key, document, seal in rows)
        return [record for record in records if record is not None]

    def keys(self) -> tuple[str, ...]:
        """All keys, sorted."""
        rows = self._database.select(f"SELECT key FROM {self._table} ORDER BY key")
        return tuple(key for (key,) in rows)

    def put(self, key: str, record: Record) -> None:
        """Store a record, in the place of one with the same key."""
        with self._database.transaction() as connection:
            insert(connection, self._table, key, self._document(record))

    def add(self, key: str, record: Record) -> bool:
        """Store a record unless there is one with this key; tells whether it did."""
        document = self._document(record)
        with self._database.transaction() as connection:
            added = connection.execute(
                f"INSERT OR IGNORE INTO {self._table} (key, document, digest) VALUES (?, ?, ?)",
                (key, document, digest(self._table, key, document)),
            )
            return added.rowcount == 1

    def remove(self, key: str) -> None:
        """Forget a record, if it is there."""
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM {self._table} WHERE key = ?", (key,))

    def parse(self, document: Any) -> Record:
        """A record from the plain values of a JSON file.

        Raises:
            ValueError: they are not those of a record.
        """
        return self._adapter.validate_python(document)

    def _read(self, key: str, document: str, seal: str) -> Record | None:
        if seal != digest(self._table, key, document):
            # The next start of the server takes it out, see `recovery`.
            self._database.set_aside(
                self._table, key, "the row was changed on the disk", document[:2000]
            )
            return None
        try:
            return self._adapter.validate_python(json.loads(document))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            self._database.set_aside(
                self._table, key, f"its '{place}' is not what it should be", document
            )
            self.remove(key)
            return None

    def _document(self, record: Record) -> str:
        return json.dumps(self._adapter.dump_python(record, warnings=False), allow_nan=False)
