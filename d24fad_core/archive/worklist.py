"""The studies of an archive that are to be analysed."""

from dataclasses import dataclass
from pathlib import Path

from d24fad_core.detection.result import AnalysisWarning
from d24fad_core.errors import InputError
from d24fad_core.files import hash_bytes


@dataclass(frozen=True)
class ListedStudy:
    """One entry of a worklist.

    Attributes:
        identifier: 16 hexadecimal digits that follow from the entry as it stands in the worklist.
        entry: the line of the worklist.
        path: the study; relative entries count from the worklist's folder.
        warnings: reasons to doubt its result that are known before it is read.
    """

    identifier: str
    entry: str
    path: Path
    warnings: tuple[AnalysisWarning, ...] = ()


def read_worklist(path: Path) -> tuple[ListedStudy, ...]:
    """Read a text file with one study a line; empty lines and those that begin with # are skipped.

    Whether the studies exist is not checked: one that is missing fails by itself.

    Raises:
        InputError: the file cannot be read, is empty, or names a study twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as a worklist ({error})",
            "give a UTF-8 text file with the path of one study a line.",
        ) from error
    entries = [line.strip() for line in lines]
    entries = [entry for entry in entries if entry and not entry.startswith("#")]
    if not entries:
        raise InputError(f"{path}: names no study", "write the path of one study a line.")
    studies: dict[str, ListedStudy] = {}
    for entry in entries:
        identifier = hash_bytes(entry.encode())[:16]
        if identifier in studies:
            raise InputError(f"{path}: names {entry} twice", "remove one of the lines.")
        studies[identifier] = ListedStudy(identifier, entry, path.parent / entry)
    return tuple(studies.values())
