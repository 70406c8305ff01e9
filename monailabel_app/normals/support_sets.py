"""Named lists of normal studies, kept on the server and shared by all its clients."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import SUPPORT_SETS
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.times import now

DEFAULT_SET = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Member:
    """A study of a set.

    Attributes:
        image: its image id.
        added: when, ISO 8601, UTC; empty for those of the operator's setting.
        reviewer: who added it.
        note: their remark.
        confirmed_normal: a reviewer looked at it and found it normal.
        sha256: hash of its content then; empty where nobody confirmed it, or before this was kept.
    """

    image: str
    added: str = ""
    reviewer: str = ""
    note: str = ""
    confirmed_normal: bool = False
    sha256: str = ""


@dataclass(frozen=True)
class SupportSetRecord:
    """A support set as it is stored.

    Attributes:
        name: its identifier.
        title: what to call it.
        body_part: what it shows.
        protocol: how it was acquired.
        created: when, ISO 8601, UTC.
        version: grows with every change.
        members: its studies.
    """

    name: str
    title: str = ""
    body_part: str = ""
    protocol: str = ""
    created: str = ""
    version: int = 1
    members: tuple[Member, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The image ids of its studies."""
        return tuple(member.image for member in self.members)


class SupportSets:
    """The support sets of a server.

    Args:
        database: where they are kept.
        images: the studies of the server.
        default_patterns: what the set `default` holds until a client changes it.
    """

    def __init__(
        self, database: Database, images: ImageCatalogue, default_patterns: tuple[str, ...]
    ) -> None:
        self._records = Records(database, SUPPORT_SETS, SupportSetRecord)
        self._images = images
        self._default_patterns = default_patterns
        self._lock = threading.RLock()
        self.default_name = DEFAULT_SET

    def names(self) -> tuple[str, ...]:
        """The names of all sets, sorted; `default` is always there."""
        return tuple(sorted({DEFAULT_SET, *(record.name for record in self._records.find())}))

    def get(self, name: str) -> SupportSetRecord:
        """The set with this name.

        Raises:
            RequestError: there is none.
        """
        if _NAME.fullmatch(name):
            record = self._records.get(name)
            if record is not None:
                return record
            if name == DEFAULT_SET:
                # What clients send joins a set only when somebody adds it, which checks it.
                images = tuple(
                    image
                    for image in self._images.matching(self._default_patterns)
                    if not self._images.was_uploaded(image)
                )
                return SupportSetRecord(
                    DEFAULT_SET, "The server's default", members=tuple(map(Member, images))
                )
        raise RequestError(
            "unknown_support_set",
            f"There is no support set '{name[:64]}'.",
            f"Choose one of {', '.join(self.names())}, or create it.",
        )

    def create(self, record: SupportSetRecord) -> SupportSetRecord:
        """Store a new set.

        Raises:
            RequestError: its name is taken or no name, or a study is unknown.
        """
        if not _NAME.fullmatch(record.name):
            raise RequestError(
                "bad_identifier",
                f"A support set cannot be called {record.name[:64]!r}.",
                "Use lower-case letters, digits, '-' and '_', at most 64.",
            )
        for image in record.images:
            self._images.study(image)
        with self._lock:
            created = replace(record, created=now(), version=1)
            # The operator's `default` is there without a record of its own.
            exists = record.name in self.names()
            if exists or not self._records.add(record.name, created):
                raise RequestError(
                    "already_exists",
                    f"There is a support set '{record.name}' already.",
                    "Choose another name, or add studies to it.",
                )
            return created

    def add(self, name: str, member: Member) -> SupportSetRecord:
        """Add a study; one that is there already gets the new remark.

        Raises:
            RequestError: the set or the image is unknown.
        """
        study = self._images.study(member.image)
        sha256 = self._images.content_hash(study) if member.confirmed_normal else ""

        def change(record: SupportSetRecord) -> SupportSetRecord:
            others = tuple(m for m in record.members if m.image != member.image)
            new = replace(member, added=now(), sha256=sha256)
            return replace(record, members=(*others, new))

        return self._change(name, change)

    def remove(self, name: str, image: str) -> SupportSetRecord:
        """Remove a study from the set; the study itself stays.

        Raises:
            RequestError: the set is unknown or the study is not in it.
        """

        def change(record: SupportSetRecord) -> SupportSetRecord:
            if image not in record.images:
                raise RequestError(
                    "unknown_image",
                    f"The support set '{name}' has no study '{image[:100]}'.",
                    "Choose one of its studies.",
                )
            return replace(record, members=tuple(m for m in record.members if m.image != image))

        return self._change(name, change)

    def holding(self, image: str) -> tuple[str, ...]:
        """The names of the sets that a study belongs to."""
        return tuple(name for name in self.names() if image in self.get(name).images)

    def describe(
        self, name: str, title: str | None, body_part: str | None, protocol: str | None
    ) -> SupportSetRecord:
        """Change the words about a set; None leaves one as it is."""

        def change(record: SupportSetRecord) -> SupportSetRecord:
            return replace(
                record,
                title=record.title if title is None else title,
                body_part=record.body_part if body_part is None else body_part,
                protocol=record.protocol if protocol is None else protocol,
            )

        return self._change(name, change)

    def delete(self, name: str) -> None:
        """Delete a set; `default` goes back to the operator's setting.

        Raises:
            RequestError: there is no such set.
        """
        with self._lock:
            self.get(name)
            self._records.remove(name)

    def _change(
        self, name: str, change: Callable[[SupportSetRecord], SupportSetRecord]
    ) -> SupportSetRecord:
        with self._lock:
            record = self.get(name)
            changed = replace(change(record), version=record.version + 1)
            self._records.put(name, changed)
            return changed
