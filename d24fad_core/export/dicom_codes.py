"""The coded concepts of the DICOM results (SNOMED CT, DCM, UCUM, LOINC, and our own)."""

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from d24fad_core import __version__
from d24fad_core.detection.result import Provenance
from d24fad_core.volumes.volume import Modality

PRIVATE_SCHEME = "99D24FAD"

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

_PROCEDURES = {
    Modality.CT: codes.LN.CTUnspecifiedBodyRegion,
    Modality.MR: codes.LN.MRIUnspecifiedBodyRegion,
}


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
