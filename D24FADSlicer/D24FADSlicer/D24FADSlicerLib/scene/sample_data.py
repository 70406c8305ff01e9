"""Simulated heads for the tutorial, shipped with the extension, in Slicer's Sample Data module."""

from __future__ import annotations

import hashlib
from pathlib import Path

CATEGORY = "Few-shot anomaly detection"
_SAMPLES = {
    "Simulated head with a lesion": ("SimulatedHead",),
    "Three simulated normal heads": (
        "SimulatedNormalHead1",
        "SimulatedNormalHead2",
        "SimulatedNormalHead3",
    ),
}


def register_sample_data(resources: Path) -> None:
    """Offer the samples; to be called when Slicer has started.

    Args:
        resources: the module's folder of resources.
    """
    import SampleData

    for name, nodes in _SAMPLES.items():
        files = [resources / "SampleData" / f"{node}.nii.gz" for node in nodes]
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            # They are on the disk; the module of Slicer reads any address that Python opens.
            uris=[file.as_uri() for file in files],
            fileNames=[file.name for file in files],
            nodeNames=list(nodes),
            checksums=[f"SHA256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files],
            thumbnailFileName=str(resources / "Icons" / f"{nodes[0]}.png"),
            loadFileType="VolumeFile",
        )
