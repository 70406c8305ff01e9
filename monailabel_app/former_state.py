"""Taking over what earlier versions kept in files of their own, before there was a database."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from monailabel_app.jobs.job import Job
from monailabel_app.normals.quality import SetQuality
from monailabel_app.normals.support_sets import SupportSetRecord
from monailabel_app.store import schema
from monailabel_app.store.damaged_files import move_aside
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.studies.file_hashes import FileHash
from monailabel_app.training.checkpoints import SERVED, CheckpointRecord, ServedCheckpoint

KEPT_FOLDER = "before_database"


def import_former_state(state: Path, database: Database) -> None:
    """Take over the files of earlier versions, and keep them beside; again changes nothing.

    A file that cannot be read is set aside alone. What the database has already, as after a start
    of an earlier version in between, stays as it is there, and the file is named.

    Args:
        state: the server's own folder.
        database: takes what the files say.
    """
    for kind, pattern, table, record, read in _KINDS:
        records = Records(database, table, record)
        for path in sorted(state.glob(pattern)):
            try:
                entries = dict(read(path))
                parsed = {key: records.parse(document) for key, document in entries.items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                move_aside(database, kind, path, f"it cannot be read ({type(error).__name__})")
                continue
            with database.transaction():
                refusals = [key for key, value in parsed.items() if not records.add(key, value)]
            if refusals and table not in _MADE_AGAIN:
                database.set_aside(
                    kind, path.name, "the database has one of this name; the file was not taken"
                )
            keep_beside(state, path)


def _one(path: Path) -> Iterator[tuple[str, Any]]:
    """A file for each record, named by its key."""
    yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def _checkpoint(path: Path) -> Iterator[tuple[str, Any]]:
    yield path.parent.name, json.loads(path.read_text(encoding="utf-8"))


def _served(path: Path) -> Iterator[tuple[str, Any]]:
    yield SERVED, json.loads(path.read_text(encoding="utf-8"))


def _hashes(path: Path) -> Iterator[tuple[str, Any]]:
    """All hashes in one file, by `path|size|time`; of a file that changed the last counts."""
    for key, sha256 in json.loads(path.read_text(encoding="utf-8")).items():
        name, size, modified = key.rsplit("|", 2)
        yield (
            name,
            {"path": name, "size": int(size), "modified_ns": int(modified), "sha256": sha256},
        )


_Read = Callable[[Path], Iterator[tuple[str, Any]]]
_KINDS: tuple[tuple[str, str, str, type[Any], _Read], ...] = (
    ("job file", "jobs/j-*.json", schema.JOBS, Job, _one),
    ("support set file", "support_sets/*.json", schema.SUPPORT_SETS, SupportSetRecord, _one),
    ("quality file", "quality/*.json", schema.SET_QUALITY, SetQuality, _one),
    ("hash file", "hashes.json", schema.FILE_HASHES, FileHash, _hashes),
    (
        "checkpoint record",
        "checkpoints/[!.]*/record.json",
        schema.CHECKPOINTS,
        CheckpointRecord,
        _checkpoint,
    ),
    ("served checkpoint", "checkpoints/served.json", schema.SETTINGS, ServedCheckpoint, _served),
)
_MADE_AGAIN = (schema.SET_QUALITY, schema.FILE_HASHES)


def keep_beside(state: Path, path: Path) -> None:
    """Move a file that was taken over out of the way, with the folder that it leaves empty."""
    target = state / KEPT_FOLDER / path.relative_to(state)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    folder = path.parent
    if folder not in (state, state / "checkpoints") and not any(folder.iterdir()):
        folder.rmdir()
