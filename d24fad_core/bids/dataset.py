"""A BIDS dataset: its scans with their sidecars, and its participants."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d24fad_core.bids.scan_name import ScanName
from d24fad_core.errors import InputError

_EXTENSIONS = (".nii", ".nii.gz")
DESCRIPTION_FILE = "dataset_description.json"
BIDS_VERSION = "1.10.0"
"""The version of the standard that results are named by."""


@dataclass(frozen=True)
class BidsScan:
    """One image of a dataset.

    Attributes:
        path: the file.
        entry: its path within the dataset, with `/`.
        name: what the file's name says.
        sidecar: metadata of all JSON files that apply to it.
    """

    path: Path
    entry: str
    name: ScanName
    sidecar: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """Label of the participant, without `sub-`."""
        return self.name.entities["sub"]


@dataclass(frozen=True)
class Selection:
    """Which scans of a dataset are meant; what is empty lets all pass.

    Attributes:
        suffix: such as `T1w`; None takes the only one that there is.
        entities: values that an entity may have; an empty string stands for its absence.
        participants: labels, without `sub-`.
        sessions: labels, without `ses-`.
    """

    suffix: str | None = None
    entities: Mapping[str, Sequence[str]] = field(default_factory=dict)
    participants: Sequence[str] = ()
    sessions: Sequence[str] = ()

    def includes(self, name: ScanName) -> bool:
        """Whether a scan of this name is meant, whatever its suffix."""
        required = {**self.entities, "sub": self.participants, "ses": self.sessions}
        return all(
            not values or name.entities.get(entity, "") in values
            for entity, values in required.items()
        )


class BidsDataset:
    """Reads a dataset.

    Args:
        root: its folder.

    Raises:
        InputError: it is no BIDS dataset.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sidecars: dict[Path, list[tuple[ScanName, Path]]] = {}
        if not is_dataset(root):
            raise InputError(
                f"{root}: holds no {DESCRIPTION_FILE}, so it is no BIDS dataset",
                "give the folder that holds that file and the sub-* folders.",
            )

    def subjects(self) -> list[str]:
        """Labels of all participants that have a folder, without `sub-`."""
        return sorted(path.name[4:] for path in self.root.glob("sub-*") if path.is_dir())

    def scans(self, selection: Selection) -> list[BidsScan]:
        """The scans that are meant, in the order of their paths.

        Raises:
            InputError: none is, a participant does not exist, the suffix is not clear, or a
                sidecar cannot be read.
        """
        if missing := sorted(set(selection.participants) - set(self.subjects())):
            raise InputError(
                f"{self.root}: has no participant {missing[0]}; it has "
                f"{', '.join(self.subjects()) or 'none'}.",
                "Name one of these.",
            )
        images = [(path, name) for path, name in self._images() if selection.includes(name)]
        suffixes = sorted({name.suffix for _, name in images})
        suffix = selection.suffix
        if suffix is None:
            anatomical = {name.suffix for path, name in images if path.parent.name == "anat"}
            if len(anatomical) > 1:
                raise InputError(
                    f"{self.root}: has scans of the kinds {', '.join(sorted(anatomical))}",
                    "say by --suffix which are to be compared.",
                )
            suffix = next(iter(anatomical), suffixes[0] if len(suffixes) == 1 else None)
        matches = [(path, name) for path, name in images if name.suffix == suffix]
        if not matches:
            raise InputError(
                f"{self.root}: has no scan of the kind that is asked for; among the participants, "
                f"sessions and filters that were given there are {', '.join(suffixes) or 'none'}.",
                "Ask for one of these.",
            )
        return [self._scan(path, name) for path, name in matches]

    def all_scans(self, selection: Selection) -> list[BidsScan]:
        """The scans that are meant, of every suffix unless one is named; may be none."""
        return [
            self._scan(path, name)
            for path, name in self._images()
            if selection.includes(name) and selection.suffix in (None, name.suffix)
        ]

    def _scan(self, path: Path, name: ScanName) -> BidsScan:
        entry = path.relative_to(self.root).as_posix()
        return BidsScan(path, entry, name, self._sidecar(path, name))

    def participants(self) -> list[dict[str, str]]:
        """The rows of participants.tsv, by column; empty where there is no such file.

        Raises:
            InputError: it cannot be read.
        """
        path = self.root / "participants.tsv"
        if not path.is_file():
            return []
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                rows = list(csv.DictReader(stream, delimiter="\t"))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read ({error})", "write it as UTF-8.") from error
        if rows and "participant_id" not in rows[0]:
            raise InputError(f"{path}: has no column participant_id", "add it, as BIDS asks.")
        return [{key: value or "" for key, value in row.items() if key} for row in rows]

    def _images(self) -> Iterator[tuple[Path, ScanName]]:
        for pattern in ("sub-*/*/*.nii*", "sub-*/ses-*/*/*.nii*"):
            for path in sorted(self.root.glob(pattern)):
                name = ScanName.parse(path.name)
                if name and name.extension in _EXTENSIONS and "sub" in name.entities:
                    yield path, name

    def _sidecar(self, image: Path, name: ScanName) -> dict[str, Any]:
        """All metadata of an image: what stands nearer to it, or names more of it, wins."""
        folders = [image.parent, *image.parent.parents]
        folders = folders[: folders.index(self.root) + 1]
        metadata: dict[str, Any] = {}
        for folder in reversed(folders):
            for sidecar, path in self._sidecars_of(folder):
                if sidecar.suffix == name.suffix and (
                    sidecar.entities.items() <= name.entities.items()
                ):
                    metadata.update(read_object(path))
        return metadata

    def _sidecars_of(self, folder: Path) -> list[tuple[ScanName, Path]]:
        if folder not in self._sidecars:
            named = ((ScanName.parse(path.name), path) for path in folder.glob("*.json"))
            known = [(name, path) for name, path in named if name is not None]
            self._sidecars[folder] = sorted(known, key=lambda pair: len(pair[0].entities))
        return self._sidecars[folder]


def is_dataset(folder: Path) -> bool:
    """Whether a folder is the root of a BIDS dataset."""
    return (folder / DESCRIPTION_FILE).is_file()


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})", "mend the file.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object", "mend the file.")
    return content
