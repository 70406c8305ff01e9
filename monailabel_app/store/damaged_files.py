"""Moving a damaged file or folder out of the way, where an operator finds it."""

from pathlib import Path

from monailabel_app.store.database import Database
from monailabel_app.store.recovery import DAMAGED_FOLDER


def move_aside(database: Database, kind: str, path: Path, reason: str) -> None:
    """Move a damaged file or folder into the state's folder `damaged`, and note it.

    Args:
        database: keeps the note.
        kind: what it is.
        path: where it lies.
        reason: what is wrong with it.
    """
    folder = database.path.parent / DAMAGED_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number, target = 0, folder / f"{kind}-{path.name}"
    while target.exists():
        number += 1
        target = folder / f"{kind}-{number}-{path.name}"
    path.rename(target)
    database.set_aside(kind, target.name, f"{reason}; it lies in '{DAMAGED_FOLDER}/{target.name}'")
