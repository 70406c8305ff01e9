"""The scans of a run: cases that can be compared with the normals, and those that cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.bids.acquisition import (
    acquisition_difference,
    acquisition_of,
    check_normals,
    scanner_warning,
)
from d24fad_core.bids.dataset import BidsDataset, BidsScan, Selection
from d24fad_core.bids.normals import Normals
from d24fad_core.errors import D24FADError, InputError
from d24fad_core.files import hash_bytes
from d24fad_core.volumes.volume import Modality


@dataclass(frozen=True)
class Cases:
    """The cases of a run.

    Attributes:
        studies: those that can be analysed.
        refusals: why each of the others cannot.
        modality: of all, as sidecars and suffixes tell it; None where they do not.
    """

    studies: tuple[ListedStudy, ...]
    refusals: tuple[str, ...]
    modality: Modality | None


def find_cases(dataset: BidsDataset, selection: Selection, normals: Normals) -> Cases:
    """The scans that are meant and are no normals.

    Args:
        dataset: where they lie.
        selection: which are meant.
        normals: what they are compared with.

    Raises:
        InputError: there is none, or the normals were not acquired alike.
    """
    check_normals(normals.scans)
    scans = [scan for scan in dataset.scans(selection) if scan.subject not in normals.subjects]
    if not scans:
        raise InputError(
            f"{dataset.root}: every participant that is asked for is one of the normals",
            "give --participant-label of others, or other --normals.",
        )
    # Where the normals are plain files, the first case stands for what is compared.
    pattern = normals.scans[0] if normals.scans else scans[0]
    studies, refusals = [], []
    for scan in scans:
        if reason := _refusal(scan, pattern):
            refusals.append(reason)
            continue
        doubt = scanner_warning(scan, normals.scans)
        studies.append(
            ListedStudy(
                identifier=hash_bytes(scan.entry.encode())[:16],
                entry=scan.entry,
                path=scan.path.absolute(),
                warnings=() if doubt is None else (doubt,),
            )
        )
    return Cases(tuple(studies), tuple(refusals), _modality([pattern, *scans]))


def _refusal(scan: BidsScan, pattern: BidsScan) -> str | None:
    try:
        return acquisition_difference(scan, pattern)
    except D24FADError as error:
        return str(error)


def _modality(scans: Sequence[BidsScan]) -> Modality | None:
    """What the first scan is that tells; others were refused."""
    for scan in scans:
        try:
            if modality := acquisition_of(scan).modality:
                return modality
        except D24FADError:
            continue  # it was refused with this reason
    return None
