"""Which studies are the normals of a run: participants, a group of them, another dataset, files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from d24fad_core.bids.dataset import BidsDataset, BidsScan, Selection, is_dataset
from d24fad_core.errors import InputError
from d24fad_core.io.dicom.series import holds_dicom
from d24fad_core.io.own_results import is_own_result
from d24fad_core.io.reading import find_studies


@dataclass(frozen=True)
class Normals:
    """The normals of a run.

    Attributes:
        paths: their images.
        scans: those of them that lie in a BIDS dataset, with sidecars.
        subjects: labels of participants of the dataset itself, which are no cases then.
    """

    paths: tuple[Path, ...]
    scans: tuple[BidsScan, ...]
    subjects: frozenset[str]


def find_normals(dataset: BidsDataset, choices: Sequence[str], selection: Selection) -> Normals:
    """Look up what was chosen as normals.

    Of a participant with several scans the first one counts: two scans of one person are not two
    normals.

    Args:
        dataset: the dataset of the cases.
        choices: each a participant's label (`01` or `sub-01`), `COLUMN=VALUE` of participants.tsv,
            the root of another BIDS dataset, a folder of studies, or one study.
        selection: which scans; its participants are not looked at.

    Raises:
        InputError: a choice is none of these, or has no scan.
    """
    labels: list[str] = []
    scans: list[BidsScan] = []
    paths: list[Path] = []
    subjects = set(dataset.subjects())
    for choice in choices:
        label = choice.removeprefix("sub-")
        place = Path(choice)
        if label in subjects:
            labels.append(label)
        elif place.is_dir() and is_dataset(place):
            scans.extend(
                _first_of_each(BidsDataset(place).scans(replace(selection, participants=())))
            )
        elif place.exists():
            paths.extend(_studies(place))
        elif "=" in choice:
            labels.extend(_group(dataset, choice))
        else:
            raise InputError(
                f"--normals {choice}: is neither a participant of {dataset.root} nor a file or "
                "folder",
                "give labels, COLUMN=VALUE of participants.tsv, another BIDS dataset, or a folder "
                "of studies.",
            )
    if labels:
        own = dataset.scans(replace(selection, participants=tuple(dict.fromkeys(labels))))
        scans = [*_first_of_each(own), *scans]
    return Normals(
        paths=tuple(path.absolute() for path in (*(scan.path for scan in scans), *paths)),
        scans=tuple(scans),
        subjects=frozenset(labels),
    )


def _first_of_each(scans: Sequence[BidsScan]) -> list[BidsScan]:
    """The first scan of each participant."""
    first: dict[str, BidsScan] = {}
    for scan in scans:
        first.setdefault(scan.subject, scan)
    return list(first.values())


def _group(dataset: BidsDataset, choice: str) -> list[str]:
    column, _, value = choice.partition("=")
    rows = dataset.participants()
    if not rows or column not in rows[0]:
        columns = ", ".join(rows[0]) if rows else "no rows"
        raise InputError(
            f"--normals {choice}: participants.tsv of {dataset.root} has no column {column}; it "
            f"has {columns}.",
            "Name one of these.",
        )
    members = [row["participant_id"].removeprefix("sub-") for row in rows if row[column] == value]
    present = set(dataset.subjects())
    members = [label for label in members if label in present]
    if not members:
        values = sorted({row[column] for row in rows})
        raise InputError(
            f"--normals {choice}: no participant with a folder has {column} {value}; there are "
            f"{', '.join(values)}.",
            "Name one of these.",
        )
    return members


def _studies(place: Path) -> list[Path]:
    if not place.is_dir() or holds_dicom(place):
        return [place]
    studies = [path for path in find_studies(place) if not is_own_result(path)]
    if not studies:
        raise InputError(
            f"--normals {place}: no study lies directly in this folder.",
            "Give the folder that holds the normal studies.",
        )
    return studies
