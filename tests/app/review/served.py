"""The real review routes over a folder, with results that a test makes up; nothing is analysed."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.testclient import TestClient

from d24fad_core.detection.findings import find_findings
from d24fad_core.files import hash_file
from monailabel_app.analysis.encodings import write_labels
from monailabel_app.analysis.results import ResultRecord, StoredResult
from monailabel_app.api import review_routes
from monailabel_app.api.error_answers import answer_errors
from monailabel_app.failures import RequestError
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.reviewed_masks import ReviewedMasks
from monailabel_app.review.reviews import Reviews
from monailabel_app.store.recovery import open_database

PREFIX = "/d24fad/v1"


class MadeUpResults:
    """Results as the review routes find them, kept in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, StoredResult] = {}

    def find(self, identifier: str) -> StoredResult | None:
        return self.entries.get(identifier)

    def get(self, identifier: str) -> StoredResult:
        entry = self.find(identifier)
        if entry is None:
            raise RequestError("unknown_result", f"There is no result '{identifier}'.", "")
        return entry

    def records(self, image: str | None = None) -> list[ResultRecord]:
        records = [entry.record for entry in self.entries.values()][::-1]
        return [record for record in records if image in (None, record.image)]


class SavedLabels:
    """Where final labels go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        target = self.path(image_id, label_tag)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(label_filename, target)
        return image_id

    def label_file(self, image_id: str, label_tag: str) -> Path | None:
        path = self.path(image_id, label_tag)
        return path if path.is_file() else None

    def path(self, image: str, tag: str = "final") -> Path:
        return self._folder / tag / f"{image}.nii.gz"


class ServedReviews:
    """Reviews of made-up results, as a client meets them.

    Args:
        folder: where log, masks and labels lie.

    Attributes:
        hashes: hash of each image as it is now.
        pacs: what is said of the PACS when a final label is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.results = MadeUpResults()
        self.labels = SavedLabels(folder / "labels")
        self.hashes: dict[str, str] = {}
        self.pacs: dict[str, Any] | None = None
        self.reviews = Reviews(
            ReviewLog(open_database(folder / "state.sqlite3")),
            ReviewedMasks(folder / "reviews" / "masks"),
            self.results,
            self.labels,
            lambda image: self.hashes[image],
        )
        server = FastAPI()
        server.include_router(review_routes.router(self._parts()))
        answer_errors(server)
        self.client = TestClient(server, raise_server_exceptions=False)

    def _parts(self) -> Any:
        return SimpleNamespace(
            results=self.results,
            reviews=self.reviews,
            images=SimpleNamespace(study=lambda image: self.hashes[image]),
            configuration=SimpleNamespace(upload_mb=64),
            dicom_results=SimpleNamespace(publish_final=lambda *_: self.pacs),
        )

    def put(
        self,
        result: str,
        image: str,
        scores: NDArray[np.float32],
        affine: NDArray[np.float64],
        threshold: float,
    ) -> StoredResult:
        """Store a result whose findings are the regions of the scores above a threshold.

        Args:
            result: its id.
            image: the image's id.
            scores: shape (I, J, K), z units.
            affine: 4x4, voxel index to RAS mm.
            threshold: z units.
        """
        mask, findings = find_findings(scores, threshold, affine, 2, 0.0)
        folder = self._folder / "results" / result
        folder.mkdir(parents=True, exist_ok=True)
        write_labels(mask, affine, folder / "mask.nii.gz")
        digest = self.hashes.setdefault(image, hashlib.sha256(image.encode()).hexdigest())
        top = float(scores.max())
        record = ResultRecord(
            id=result,
            image=image,
            image_sha256=digest,
            support_set="default",
            support=(),
            support_hash="",
            checkpoint_hash="",
            options={},
            case_score=top,
            peak_score=top,
            threshold=threshold,
            finding_count=len(findings),
            created=f"{len(self.results.entries):06d}",
        )
        self.results.entries[result] = StoredResult(
            record=record,
            heatmap=folder / "heatmap.nii.gz",
            preview=folder / "heatmap.nii.gz",
            mask=folder / "mask.nii.gz",
            overlay=folder / "overlay.png",
            alignment=folder / "alignment.json",
            # As read back from a file: lists, no tuples.
            report=json.loads(json.dumps({"findings": [asdict(f) for f in findings]})),
        )
        return self.results.entries[result]

    def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        """One request; the JSON of its answer."""
        answer = self.client.request(method, PREFIX + path, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def review(self, result: str) -> Any:
        return self.ask("GET", f"/results/{result}/review", 200)

    def act(self, result: str, action: str, status: int = 201, **more: Any) -> Any:
        """Append an event by AB, or by whom `more` says."""
        body = {"action": action, "reviewer": "AB", **more}
        return self.ask("POST", f"/results/{result}/review/events", status, json=body)

    def store_final(self, result: str, version: int, status: int = 200, **more: Any) -> Any:
        body = {"reviewer": "AB", "expected_version": version, **more}
        return self.ask("PUT", f"/results/{result}/review/final", status, json=body)

    def send_mask(
        self, result: str, voxels: NDArray[Any], status: int = 201, affine: Any = None
    ) -> str:
        """Send an outline; its hash, whether or not it was taken."""
        path = self._folder / "sent.nii.gz"
        if affine is None:
            affine = nibabel.load(self.results.entries[result].mask).affine
        nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
        digest = hash_file(path)
        self.ask(
            "PUT",
            f"/results/{result}/review/masks/{digest}",
            status,
            content=path.read_bytes(),
        )
        return digest

    def final(self, image: str = "scan") -> NDArray[np.uint8]:
        """The final label in the datastore."""
        return np.asanyarray(nibabel.load(self.labels.path(image)).dataobj)
