"""Review events in the database: a log that only grows, each event on the disk when it counts."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from monailabel_app.failures import RequestError
from monailabel_app.review.states import ReviewEvent
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import REVIEW_EVENTS
from monailabel_app.times import now


@dataclass(frozen=True)
class StoredEvent:
    """An event and whose it is.

    Attributes:
        result: id of the result.
        event: its number, from 1.
        body: what happened.
    """

    result: str
    event: int
    body: ReviewEvent


class ReviewEvents:
    """The events of all results; the table takes neither changes nor deletions.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records = Records(database, REVIEW_EVENTS, StoredEvent)

    def events(self, result: str) -> tuple[ReviewEvent, ...]:
        """The events of a result, in order."""
        stored = self._records.find("WHERE result = ? ORDER BY event", (result,))
        return tuple(each.body for each in stored)

    def results(self) -> tuple[str, ...]:
        """Ids of the results that have events, sorted."""
        rows = self._database.select(f"SELECT DISTINCT result FROM {REVIEW_EVENTS} ORDER BY result")
        return tuple(result for (result,) in rows)

    def append(self, result: str, event: ReviewEvent, expected: int | None = None) -> ReviewEvent:
        """Write an event behind the others; it is on the disk when this returns.

        Args:
            result: id of the result.
            event: what happened; number and time are given here.
            expected: number of events that the client knows of; None does not matter.

        Raises:
            RequestError: there are other events than the client knows.
            OSError: the disk is full or fails; nothing was written.
        """
        with self._database.transaction():
            ((count,),) = self._database.select(
                f"SELECT coalesce(max(event), 0) FROM {REVIEW_EVENTS} WHERE result = ?", (result,)
            )
            if expected is not None and expected != count:
                raise RequestError(
                    "review_changed",
                    f"The review has {count} events, not {expected}.",
                    "Load it again and decide on what it says now.",
                )
            numbered = replace(event, event=int(count) + 1, time=now())
            self._add(result, numbered)
            return numbered

    def import_log(self, path: Path) -> int:
        """Take over a log of JSON lines, one file for each result; again changes nothing.

        Lines that are no event are set aside; a last line that was cut off never counted.

        Args:
            path: the file, named by its result's id.

        Returns:
            Number of events that were new.
        """
        result = path.stem
        lines = path.read_bytes().split(b"\n")
        taken = 0
        with self._database.transaction():
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    event = self._parse(line)
                except ValueError as error:
                    if number == len(lines):
                        continue
                    self._database.set_aside(
                        "review line",
                        f"{path.name}:{number}",
                        f"it is no event ({type(error).__name__})",
                        line.decode("utf-8", "replace")[:2000],
                    )
                    continue
                taken += self._add(result, event)
        return taken

    def _parse(self, line: bytes) -> ReviewEvent:
        document = json.loads(line)
        number = document.get("event") if isinstance(document, dict) else None
        return self._records.parse({"result": "-", "event": number, "body": document}).body

    def _add(self, result: str, event: ReviewEvent) -> bool:
        key = f"{result}/{event.event:08d}"
        return self._records.add(key, StoredEvent(result, event.event, event))
