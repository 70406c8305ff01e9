"""How scans were acquired, by their sidecars: which are compared, and which with a warning."""

from collections.abc import Sequence
from dataclasses import dataclass

from d24fad_core.bids.dataset import BidsScan
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.errors import InputError
from d24fad_core.volumes.volume import Modality

_SEQUENCE = ("MRAcquisitionType", "ScanningSequence", "ContrastBolusIngredient")
_SCANNER = ("Manufacturer", "ManufacturersModelName", "MagneticFieldStrength")
_MR_SUFFIXES = frozenset(
    ("T1w", "T2w", "PDw", "PDT2", "T2starw", "FLAIR", "inplaneT1", "inplaneT2", "angio", "UNIT1")
)


@dataclass(frozen=True)
class Acquisition:
    """What is known of how a scan was acquired.

    Attributes:
        modality: CT or MR; None where neither sidecar nor suffix tells.
        sequence: the fields of `_SEQUENCE` that are stated, as text.
        scanner: make, model and field strength, as far as they are stated; may be empty.
    """

    modality: Modality | None
    sequence: tuple[tuple[str, str], ...]
    scanner: str


def acquisition_of(scan: BidsScan) -> Acquisition:
    """How a scan was acquired.

    Raises:
        InputError: its sidecar names another modality than CT and MR.
    """
    stated = scan.sidecar.get("Modality")
    if stated is not None and stated not in [modality.value for modality in Modality]:
        raise InputError(
            f"{scan.entry}: its sidecar says that it is {stated}, and only CT and MR can be "
            "analysed",
            "leave it out by --filter or --participant-label.",
        )
    if stated is not None:
        modality: Modality | None = Modality(stated)
    else:
        modality = Modality.MR if scan.name.suffix in _MR_SUFFIXES else None
    sequence = [(name, _text(scan.sidecar[name])) for name in _SEQUENCE if name in scan.sidecar]
    scanner = " ".join(_text(scan.sidecar[name]) for name in _SCANNER if name in scan.sidecar)
    return Acquisition(modality, tuple(sequence), scanner)


def check_normals(normals: Sequence[BidsScan]) -> None:
    """Refuse normals that were not acquired alike.

    Raises:
        InputError: two of them differ, with both names.
    """
    for scan in normals[1:]:
        if difference := acquisition_difference(scan, normals[0]):
            raise InputError(
                f"the normals are mixed: {difference}.",
                "Give normals of one kind; choose them by --filter, --session-label or --normals.",
            )


def acquisition_difference(scan: BidsScan, normal: BidsScan) -> str | None:
    """What keeps two scans from being compared, in words; None where nothing does.

    Args:
        scan: one of them.
        normal: the other. Of both only what is stated counts.

    Raises:
        InputError: see `acquisition_of`.
    """
    own, other = acquisition_of(scan), acquisition_of(normal)
    if own.modality and other.modality and own.modality is not other.modality:
        return (
            f"{scan.entry} is {own.modality.value} where {normal.entry} is {other.modality.value}"
        )
    stated = dict(other.sequence)
    for name, value in own.sequence:
        if name in stated and stated[name] != value:
            return f"{scan.entry} has {name} {value} where {normal.entry} has {name} {stated[name]}"
    return None


def scanner_warning(scan: BidsScan, normals: Sequence[BidsScan]) -> AnalysisWarning | None:
    """The doubt that a scan from another scanner than its normals raises.

    Args:
        scan: the scan.
        normals: its normals. Where the sidecar of one does not name the scanner, nothing is said.
    """
    own = acquisition_of(scan).scanner
    scanners = sorted({acquisition_of(normal).scanner for normal in normals})
    if not own or not scanners or "" in scanners or own in scanners:
        return None
    return AnalysisWarning(
        WarningCode.OTHER_SCANNER,
        f"This study is from a {own}, where the normals are from {', '.join(scanners)}.",
        "Compare it with normals of its own scanner; another scanner changes scores everywhere.",
    )


def _text(value: object) -> str:
    """A value of a sidecar; lists are compared whatever their order."""
    return "\\".join(sorted(map(str, value))) if isinstance(value, list) else str(value)
