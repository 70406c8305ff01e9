"""The events of reviews: rows of the database, which are added and never changed."""

import errno
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from monailabel_app.failures import RequestError
from monailabel_app.review.review_states import ReviewState, ReviewStates
from monailabel_app.review.states import Review, ReviewEvent, admit, review_of
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import RESULTS, REVIEW_EVENTS
from monailabel_app.times import now


class Reviewed(Protocol):
    """A result under review, as its record says it."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def image(self) -> str:
        """Its image."""

    @property
    def finding_count(self) -> int:
        """Number of findings in its report."""


@dataclass(frozen=True)
class LoggedEvent:
    """A row of the log.

    Attributes:
        result: id of the result.
        image: its image.
        place: number among the events of all results of the image, from 1.
        event: what happened.
    """

    result: str
    image: str
    place: int
    event: ReviewEvent


class ReviewLog:
    """The events of all results, and beside them where each review stands.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self.states = ReviewStates(database)
        self._database = database
        self._records = Records(database, REVIEW_EVENTS, LoggedEvent)
        self._lock = threading.RLock()

    def events(self, result: str) -> tuple[ReviewEvent, ...]:
        """The events of a result, in order."""
        return tuple(row.event for row in self._rows(result))

    def lost(self, result: str) -> tuple[int, ...]:
        """Numbers of the events of a result that were damaged on the disk."""
        state = self.states.get(result)
        numbers = {event.event for event in self.events(result)}
        last = max([state.version if state else 0, *numbers])
        return tuple(number for number in range(1, last + 1) if number not in numbers)

    def results(self) -> tuple[str, ...]:
        """Ids of the results that have events, sorted."""
        rows = self._database.select(f"SELECT DISTINCT result FROM {REVIEW_EVENTS} ORDER BY result")
        return tuple(result for (result,) in rows)

    def last_finals(self, image: str | None = None) -> dict[str, LoggedEvent]:
        """By image, the last event that stored a final label and was not taken back.

        Args:
            image: the only one to look for; None for all.
        """
        action = "CASE WHEN json_valid(document) THEN json_extract(document, '$.event.action') END"
        rows = self._records.find(
            f"WHERE {action} IN ('final', 'undo') AND (? IS NULL OR image = ?) ORDER BY place",
            (image, image),
        )
        undone = {(row.result, row.event.undoes) for row in rows}
        return {
            row.image: row
            for row in rows
            if row.event.action == "final" and (row.result, row.event.event) not in undone
        }

    def latest(self, results: Iterable[Reviewed]) -> Reviewed | None:
        """Of the results of an image, the one whose review was written to last; None without."""
        places = {state.result: state.place for state in self.states.all()}
        reviewed = [result for result in results if result.id in places]
        return max(reviewed, key=lambda result: places[result.id], default=None)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let nobody else write as long as the block runs."""
        with self._lock:
            yield

    def append(self, result: Reviewed, event: ReviewEvent, expected: int | None = None) -> Review:
        """Write an event behind the others; it is on the disk when this returns.

        An event whose key is in the log already is not written again.

        Args:
            result: the result under review.
            event: what happened; number and time are given here, and a key where it has none.
            expected: version of the review that the reviewer saw; None does not matter.

        Raises:
            RequestError: there are other events than the reviewer saw, or the event does not fit.
            OSError: the disk is full or fails; nothing is written.
        """
        with self._lock, self._database.transaction():
            before = self.events(result.id)
            review = review_of(result.finding_count, before)
            same = next((e for e in before if event.key and e.key == event.key), None)
            if same is not None:
                require_same(same, event)
                return review
            if expected is not None:
                require_version(review, expected)
            state = self.states.get(result.id)
            # A number is not given again, though its event may have been damaged on the disk.
            number = max(review.version, state.version if state else 0) + 1
            numbered = replace(
                admit(review, event),
                event=number,
                time=now(),
                key=event.key or secrets.token_hex(16),
            )
            place = self._last_place(result.image) + 1
            self._put(LoggedEvent(result.id, result.image, place, numbered))
            after = review_of(result.finding_count, (*before, numbered))
            self.states.put(ReviewState.of(result.id, result.image, after, place, number))
            return after

    def take_over(self, rows: Sequence[LoggedEvent]) -> frozenset[str]:
        """Write events of an image that were numbered before, behind those that are here.

        Returns:
            Ids of the results of which other events are here, so that none was written.
        """
        results = {row.result for row in rows}
        refusals = set()
        with self._lock, self._database.transaction():
            first = self._last_place(rows[0].image) if rows else 0
            for result in sorted(results):
                theirs = [row for row in rows if row.result == result]
                present = {event.event: event for event in self.events(result)}
                if not present:
                    for row in theirs:
                        self._put(replace(row, place=first + row.place))
                elif any(present.get(row.event.event) != row.event for row in theirs):
                    refusals.add(result)
        return frozenset(refusals)

    def add_up(self) -> None:
        """Bring the states up to date with the events, where these were taken over or damaged."""
        counts = self._database.select(
            f"SELECT result, count(*), max(place) FROM {REVIEW_EVENTS} GROUP BY result"
        )
        states = {state.result: state for state in self.states.all()}
        findings = dict(
            self._database.select(
                f"SELECT key, json_extract(document, '$.finding_count') FROM {RESULTS}"
            )
        )
        with self._lock, self._database.transaction():
            for result, count, place in counts:
                state = states.get(result)
                if result not in findings or (state is not None and state.event_count == count):
                    continue
                rows = self._rows(result)
                review = review_of(int(findings[result]), [row.event for row in rows])
                version = max(review.version, state.version if state else 0)
                image = rows[-1].image
                self.states.put(ReviewState.of(result, image, review, int(place), version))

    def _rows(self, result: str) -> list[LoggedEvent]:
        # By the key, which a damaged document cannot hide.
        return self._records.find(
            "WHERE key > ? AND key < ? ORDER BY key", (f"{result}/", f"{result}/:")
        )

    def _put(self, row: LoggedEvent) -> None:
        if not self._records.add(f"{row.result}/{row.event.event:08d}", row):
            raise OSError(
                errno.EIO,
                "the row of this event is damaged; restart the server, which repairs it",
                str(self._database.path),
            )

    def _last_place(self, image: str) -> int:
        rows = self._database.select(
            f"SELECT max(place) FROM {REVIEW_EVENTS} WHERE image = ?", (image,)
        )
        return int(rows[0][0] or 0)


def require_version(review: Review, expected: int) -> None:
    """Refuse to act on a review that the reviewer has not seen as it is now.

    Raises:
        RequestError: it has another version.
    """
    if expected != review.version:
        raise RequestError(
            "review_changed",
            f"The review has {review.version} events, not {expected}.",
            "Load it again and decide on what it says now.",
        )


def require_same(known: ReviewEvent, event: ReviewEvent) -> None:
    """Refuse a key that named another event before.

    Raises:
        RequestError: the two differ in what the client says of them.
    """
    same = (
        (known.action, known.reviewer, known.note) == (event.action, event.reviewer, event.note)
        # The server numbers added regions, names what is undone and makes final labels.
        and (event.finding in (None, known.finding))
        and (event.undoes in (None, known.undoes))
        and (event.mask in (None, known.mask))
    )
    if not same:
        raise RequestError(
            "bad_request",
            f"The key '{event.key}' was given to another event ({known.action}) before.",
            "Give each event a key of its own, such as a UUID.",
        )
