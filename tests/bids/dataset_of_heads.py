"""BIDS datasets of simulated heads for tests."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject

SCANNER = {
    "Modality": "MR",
    "Manufacturer": "Maker",
    "ManufacturersModelName": "Model",
    "MagneticFieldStrength": 3,
    "MRAcquisitionType": "3D",
}


def write_dataset(root: Path, groups: dict[str, str]) -> None:
    """Write what every dataset has at its root.

    Args:
        root: made if it does not exist.
        groups: column `group` of participants.tsv by label.
    """
    root.mkdir(parents=True, exist_ok=True)
    description = {"Name": "Simulated heads", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(
        json.dumps({**description, "License": "CC0", "Authors": ["Nobody", "None"]})
    )
    (root / "README.md").write_text("Simulated heads, made for a test. " * 6)
    rows = "".join(f"sub-{label}\t{group}\n" for label, group in groups.items())
    (root / "participants.tsv").write_text(f"participant_id\tgroup\n{rows}")
    (root / "participants.json").write_text(
        json.dumps(
            {
                "group": {
                    "Description": "Patient or control",
                    "Levels": {"control": "Control", "patient": "Patient"},
                }
            }
        )
    )
    (root / "T1w.json").write_text(json.dumps(SCANNER))


def write_scan(
    root: Path, stem: str, array: NDArray[Any], spacing: float = 4.0, **sidecar: Any
) -> Path:
    """Write an image of a dataset, with a sidecar of its own where fields are given."""
    subject, *rest = stem.split("_")
    session = [part for part in rest if part.startswith("ses-")]
    folder = root.joinpath(subject, *session, "anat")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.nii.gz"
    image = nib.Nifti1Image(array.astype(np.int16), np.diag([spacing] * 3 + [1.0]))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    if sidecar:
        (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    return path


def write_head(root: Path, stem: str, role: Role, index: int, **sidecar: Any) -> Path:
    """Write a simulated head in thick voxels."""
    options = SimulationOptions(contrast=Contrast.T1, spacing=(4.0, 4.0, 4.0))
    return write_scan(root, stem, simulate_subject(options, role, index).image.array, **sidecar)


def small_scan(seed: int) -> NDArray[Any]:
    """A noisy box, for what needs no head."""
    array = np.zeros((12, 12, 12))
    array[2:10, 2:10, 2:10] = np.random.default_rng(seed).normal(100, 6, (8, 8, 8))
    return array
