"""The coded concepts of the DICOM results (SNOMED CT, DCM, UCUM, LOINC, and our own)."""

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from d24fad_core import __version__
from d24fad_core.change.result import ChangeKind
from d24fad_core.detection.result import Provenance, SupportUse
from d24fad_core.places.atlas import ATLAS_NAME, BrainRegion
from d24fad_core.places.place import FindingPlace, Side
from d24fad_core.volumes.volume import Modality

PRIVATE_SCHEME = "99D24FAD"
_CODE_LENGTH = 16  # of a short string (PS3.5)

ABNORMAL_STRUCTURE = codes.SCT.MorphologicallyAbnormalStructure
LESION = codes.SCT.Lesion
VOLUME = codes.SCT.Volume
MILLILITRE = Code("ml", "UCUM", "milliliter")
NO_UNITS = codes.UCUM.NoUnits
PEAK_SCORE = Code("D24-1", PRIVATE_SCHEME, "Peak anomaly score")
MEAN_SCORE = Code("D24-2", PRIVATE_SCHEME, "Mean anomaly score")
CASE_SCORE = Code("D24-3", PRIVATE_SCHEME, "Case anomaly score")
P_VALUE = Code("D24-4", PRIVATE_SCHEME, "Conformal p-value against normal patients")
FINDING_COUNT = Code("D24-5", PRIVATE_SCHEME, "Number of findings")
ANOMALY_SCORE = Code("D24-6", PRIVATE_SCHEME, "Anomaly score")

# Of the basal ganglia together, DICOM's own context groups have no code.
BASAL_GANGLIA = Code("D24-7", PRIVATE_SCHEME, "Basal ganglia")

CHANGE_COUNT = Code("D24-8", PRIVATE_SCHEME, "Number of changes since the prior")
LIKENESS = Code("D24-9", PRIVATE_SCHEME, "Likeness of study and prior")
CHANGE_SCORE = Code("D24-10", PRIVATE_SCHEME, "Peak score of change")
NEAREST_NORMAL = Code("D24-11", PRIVATE_SCHEME, "Normal study that is most like this finding")

# Context group 6134 (difference description), and for what is new 6002, for what is gone 241.
CHANGE_CODES = {
    ChangeKind.NEW: codes.cid6002.NewFinding,
    ChangeKind.GROWN: codes.cid6134.IncreaseInSize,
    ChangeKind.SHRUNK: codes.cid6134.DecreaseInSize,
    ChangeKind.GONE: codes.cid241.Absent,
    ChangeKind.STABLE: codes.cid6134.NoSignificantChangesInTheFinding,
}
"""What became of a lesion, as values of DICOM's concept "Qualitative Difference"."""

_PROCEDURES = {
    Modality.CT: codes.LN.CTUnspecifiedBodyRegion,
    Modality.MR: codes.LN.MRIUnspecifiedBodyRegion,
}


_REGIONS = {
    BrainRegion.FRONTAL: codes.SCT.FrontalLobe,
    BrainRegion.PARIETAL: codes.SCT.ParietalLobe,
    BrainRegion.TEMPORAL: codes.SCT.TemporalLobe,
    BrainRegion.OCCIPITAL: codes.SCT.OccipitalLobe,
    BrainRegion.INSULA: codes.SCT.Insula,
    BrainRegion.BASAL_GANGLIA: BASAL_GANGLIA,
    BrainRegion.THALAMUS: Code("42695009", "SCT", "Thalamus"),
    BrainRegion.BRAIN_STEM: codes.SCT.BrainStem,
    BrainRegion.CEREBELLUM: codes.SCT.Cerebellum,
    BrainRegion.LATERAL_VENTRICLE: codes.SCT.LateralVentricle,
    BrainRegion.CORPUS_CALLOSUM: codes.SCT.CorpusCallosum,
}
LATERALITY = {
    Side.LEFT: codes.SCT.Left,
    Side.RIGHT: codes.SCT.Right,
    Side.BOTH: codes.SCT.RightAndLeft,
}


def region_code(place: FindingPlace) -> Code | None:
    """The code of a place's region; None where the map is not of the average brain."""
    return _REGIONS[BrainRegion(place.region)] if place.atlas == ATLAS_NAME else None


def normal_code(use: SupportUse) -> Code:
    """A normal study by its content: its name may be that of a person."""
    return Code(use.content_hash[:_CODE_LENGTH], PRIVATE_SCHEME, f"Normal {use.content_hash[:12]}")


def distance_code(use: SupportUse) -> Code:
    """The distance between a finding and a normal study."""
    return Code(
        f"D-{use.content_hash[: _CODE_LENGTH - 2]}",
        PRIVATE_SCHEME,
        f"Distance to normal {use.content_hash[:12]}",
    )


def procedure(modality: Modality) -> Code:
    """The procedure that is reported on."""
    return _PROCEDURES[modality]


def algorithm(provenance: Provenance) -> hd.AlgorithmIdentificationSequence:
    """The algorithm behind a segmentation, with the checkpoint and what it was compared with."""
    return hd.AlgorithmIdentificationSequence(
        name="D24FAD",
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
        source="D24FAD",
        parameters={
            "checkpoint": provenance.checkpoint_hash[:16],
            "supports": str(len(provenance.supports)),
        },
    )


def change_algorithm() -> hd.AlgorithmIdentificationSequence:
    """The algorithm behind a segmentation of changes, which takes neither model nor normals."""
    return hd.AlgorithmIdentificationSequence(
        name="D24FAD change since a prior",
        family=codes.DCM.MultiScaleResolutionFiltering,
        version=__version__,
        source="D24FAD",
    )
