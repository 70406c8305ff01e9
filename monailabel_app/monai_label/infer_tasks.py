"""The two models that MONAI Label's clients see: the mask, and the heatmap behind it."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from d24fad_core import RESEARCH_USE_ONLY
from monailabel_app.analysis.analyses import Analyses, AnalysisRequest
from monailabel_app.analysis.encodings import (
    Encoding,
    check_suffix,
    read_mask,
    read_scores,
    write_heatmap,
    write_labels,
)
from monailabel_app.analysis.model_names import HEATMAP_MODEL, LABELS
from monailabel_app.analysis.results import StoredResult

Resolver = Callable[[Mapping[str, Any]], AnalysisRequest]


class _AnomalyTask(InferTask):
    """An analysis, handed out as one kind of file and the JSON that belongs to it.

    Args:
        analyses: runs the detector or hands out what it found before.
        resolve: finds the studies that a request names and checks its parameters.
        kind: how MONAI Label's clients list the model.
        labels: names and values of the labels in the file.
        description: one sentence for people.
    """

    def __init__(
        self,
        analyses: Analyses,
        resolve: Resolver,
        kind: InferType,
        labels: dict[str, int] | None,
        description: str,
    ) -> None:
        super().__init__(
            type=kind,
            labels=labels,
            dimension=3,
            description=f"{description} {RESEARCH_USE_ONLY}",
            # What Slicer's MONAI Label module offers as options; a list is a choice.
            config={
                "support_set": "",
                "support": "",
                "planes": ["axial", "coronal", "sagittal"],
                "threshold": "",
            },
        )
        self._analyses = analyses
        self._resolve = resolve

    def is_valid(self) -> bool:
        """A server without a checkpoint does not start, so a task that exists can run."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Analyse and write the file to a temporary place, which the caller removes."""
        start = time.monotonic()
        stored_result = self._analyses.run(self._resolve(request))
        answer = self._answer(stored_result)
        path: Path | None = None
        if request.get("result_write_to_file", True):
            path = self._write(stored_result, request)
        answer["latencies"] = {"total": round(time.monotonic() - start, 3)}
        return (str(path) if path else None), answer

    def _write(self, stored_result: StoredResult, request: Mapping[str, Any]) -> Path:
        raise NotImplementedError

    def _answer(self, stored_result: StoredResult) -> dict[str, Any]:
        return {
            **stored_result.report,
            "label_names": self.labels,
            "result": stored_result.record.id,
            "heatmap_model": HEATMAP_MODEL,
            "notice": RESEARCH_USE_ONLY,
        }


class AnomalyMaskTask(_AnomalyTask):
    """Model `anomaly`: the findings as a mask."""

    def __init__(self, analyses: Analyses, resolve: Resolver) -> None:
        super().__init__(
            analyses,
            resolve,
            InferType.SEGMENTATION,
            LABELS,
            "Marks what stands out from a few normal studies.",
        )

    def _write(self, stored_result: StoredResult, request: Mapping[str, Any]) -> Path:
        suffix = str(request.get("result_extension") or ".nii.gz")
        check_suffix(suffix)
        target = _temporary_file(suffix)
        if suffix == ".nii.gz":
            shutil.copyfile(stored_result.mask, target)
        else:
            write_labels(*read_mask(stored_result.mask), target)
        return target


class AnomalyHeatmapTask(_AnomalyTask):
    """Model `anomaly_heatmap`: the score of every voxel, float32.

    Its type hides it from user interfaces that would take it for a segmentation; what they say
    about file and number type is for masks and is not followed.
    """

    def __init__(self, analyses: Analyses, resolve: Resolver) -> None:
        super().__init__(
            analyses,
            resolve,
            InferType.OTHERS,
            None,
            "Scores every voxel against a few normal studies, in z units.",
        )

    def _write(self, stored_result: StoredResult, request: Mapping[str, Any]) -> Path:
        target = _temporary_file(".nii.gz")
        write_heatmap(*read_scores(stored_result.heatmap), target, Encoding.FLOAT32)
        return target


def _temporary_file(suffix: str) -> Path:
    """A new file in the system's temporary folder; who gets its path removes it."""
    descriptor, name = tempfile.mkstemp(prefix="d24fad-", suffix=suffix)
    os.close(descriptor)
    return Path(name)
