"""Asking the demo's server as any MONAI Label client does."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from monailabel.client import MONAILabelClient

from monailabel_app.analysis.model_names import HEATMAP_MODEL, MASK_MODEL


@dataclass(frozen=True)
class Answer:
    """What the server said about one image.

    Attributes:
        image: its id.
        report: case score, findings, calibration and provenance.
        mask: where the mask was saved.
        heatmap: where the heatmap was saved.
        overlay: where the picture was saved.
    """

    image: str
    report: dict[str, Any]
    mask: Path
    heatmap: Path
    overlay: Path


def analyse(url: str, image: str, folder: Path) -> Answer:
    """Ask for mask, heatmap and picture of an image.

    Args:
        url: the server's address.
        image: image id.
        folder: where the files are saved.

    Raises:
        monailabel.client.MONAILabelClientException: the server refused.
        requests.RequestException: it could not be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    client = MONAILabelClient(url, str(folder))
    # The heatmap comes first: the mask is then a matter of reading what is stored.
    heatmap, _ = client.infer(HEATMAP_MODEL, image, {})
    mask, report = client.infer(MASK_MODEL, image, {})
    picture = requests.get(f"{url}/d24fad/v1/results/{report['result']}/overlay", timeout=60)
    picture.raise_for_status()
    overlay = folder / f"{image}-overlay.png"
    overlay.write_bytes(picture.content)
    return Answer(
        image,
        report,
        Path(shutil.move(mask, folder / f"{image}-mask.nii.gz")),
        Path(shutil.move(heatmap, folder / f"{image}-heatmap.nii.gz")),
        overlay,
    )
