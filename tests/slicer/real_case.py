"""A real head MRI with a tumour, and a result made of the tumour's mask, for pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from D24FADSlicerLib.logic.findings import Analysis, regions_of
from D24FADSlicerLib.logic.volume_file import VolumeData
from numpy.typing import NDArray


def read_nrrd(path: Path) -> VolumeData:
    """A volume in the order and the space of Slicer."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return VolumeData(sitk.GetArrayFromImage(image), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def soft_scores(mask: NDArray[Any]) -> NDArray[np.float32]:
    """Scores that fall off around a region, with a little noise elsewhere, z units."""
    from scipy import ndimage

    soft = ndimage.gaussian_filter((mask > 0).astype(np.float32), (0.6, 5, 5))
    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=mask.shape), (0, 6, 6))
    scores: NDArray[np.float32] = np.clip(
        9.0 * soft / soft.max() + 8 * np.abs(noise), 0, None
    ).astype(np.float32)
    return scores


def real_delivery(folder: Path) -> tuple[VolumeData, Any]:
    """The scan and what a server would deliver for it."""
    import cc3d
    from D24FADSlicerLib.scene.case import Delivery

    data = read_nrrd(folder / "brain1_image.nrrd")
    mask = read_nrrd(folder / "brain1_label.nrrd").array
    scores = soft_scores(mask)
    labels = cc3d.connected_components(scores > 4.0).astype(np.uint16)
    sizes = np.bincount(labels.ravel())
    labels[np.isin(labels, np.nonzero(sizes < 40)[0])] = 0
    findings = []
    numbers = sorted(np.unique(labels)[1:], key=lambda n: -float(scores[labels == n].max()))
    ranks = np.zeros_like(labels)
    for rank, number in enumerate(numbers, start=1):
        inside = labels == number
        ranks[inside] = rank
        peak = np.unravel_index(np.argmax(np.where(inside, scores, 0)), scores.shape)
        layers = np.nonzero(inside.any(axis=(1, 2)))[0]
        position = data.affine @ np.array([*peak[::-1], 1.0])
        findings.append(
            {
                "rank": rank,
                "volume_ml": float(inside.sum() * abs(np.linalg.det(data.affine[:3, :3])) / 1e3),
                "peak_score": float(scores[inside].max()),
                "peak_ras_mm": [float(v) for v in position[:3]],
                "slice_range": [int(layers[0]), int(layers[-1])],
            }
        )
    document = {
        "id": "real",
        "image": "brain1",
        "report": {
            "case_score": float(scores.max()),
            "slice_axis": 2,
            "slice_scores": [float(layer.max()) for layer in scores],
            "findings": findings,
            "calibration": {"threshold": 4.0, "p_value": 0.2, "statement": "For the picture."},
            "geometry": {"affine": data.affine.tolist(), "shape": list(scores.shape[::-1])},
            "provenance": {"supports": []},
        },
    }
    delivery = Delivery(
        Analysis.read(document),
        VolumeData(scores, data.affine),
        regions_of(ranks),
    )
    return data, delivery
