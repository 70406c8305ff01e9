"""Where the events of reviews lie: one file for each result, which only grows."""

import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from d24fad_core.files import sync_folder
from monailabel_app.failures import RequestError
from monailabel_app.review.states import Review, ReviewEvent, admit, review_of
from monailabel_app.times import now

logger = logging.getLogger(__name__)

_FIELDS = {field.name for field in fields(ReviewEvent)}


class ReviewLog:
    """One append-only file of JSON lines for each result.

    Args:
        folder: where they lie; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._damaged: set[Path] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def events(self, result: str) -> tuple[ReviewEvent, ...]:
        """The events of a result, in order."""
        path = self._path(result)
        return tuple(self._read(path)) if path.is_file() else ()

    def results(self) -> tuple[str, ...]:
        """Ids of the results that have events."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.jsonl")))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let nobody else write as long as the block runs."""
        with self._lock:
            yield

    def append(
        self, result: str, finding_count: int, event: ReviewEvent, expected: int | None = None
    ) -> Review:
        """Write an event behind the others; it is on the disk when this returns.

        An event whose key is in the log already is not written again.

        Args:
            result: id of the result.
            finding_count: number of findings in its report.
            event: what happened; number and time are given here, and a key where it has none.
            expected: version of the review that the reviewer saw; None does not matter.

        Raises:
            RequestError: there are other events than the reviewer saw, or the event does not fit.
        """
        with self._lock:
            before = self.events(result)
            review = review_of(finding_count, before)
            same = next((e for e in before if event.key and e.key == event.key), None)
            if same is not None:
                require_same(same, event)
                return review
            if expected is not None:
                require_version(review, expected)
            event = admit(review, event)
            numbered = replace(
                event,
                event=review.version + 1,
                time=now(),
                key=event.key or secrets.token_hex(16),
            )
            self._write(self._path(result), numbered)
            return review_of(finding_count, (*before, numbered))

    def _write(self, path: Path, event: ReviewEvent) -> None:
        line = json.dumps(asdict(event), ensure_ascii=False).encode() + b"\n"
        is_new = not path.is_file()
        with path.open("ab") as stream:
            # A server killed while it wrote may have left half a line; it never counted.
            if stream.tell() and not path.read_bytes().endswith(b"\n"):
                stream.write(b"\n")
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        if is_new:
            sync_folder(path.parent)

    def _read(self, path: Path) -> Iterator[ReviewEvent]:
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            event = _event(line)
            if event is not None:
                yield event
            elif line and path not in self._damaged:
                # Cut off when the server was killed, it was never confirmed; else it is a loss.
                self._damaged.add(path)
                logger.warning("Line %d of %s is no review event; it is left out.", number, path)

    def _path(self, result: str) -> Path:
        return self._folder / f"{result}.jsonl"


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


def _event(line: bytes) -> ReviewEvent | None:
    """The event in a line; None where there is none."""
    try:
        document: Any = json.loads(line)
        # A later version may have written more than this one knows.
        event = ReviewEvent(**{name: document[name] for name in _FIELDS & document.keys()})
    except (ValueError, AttributeError, TypeError):
        return None
    if not isinstance(event.event, int) or event.event < 1:
        return None
    return event if event.key else replace(event, key=f"event-{event.event}")
