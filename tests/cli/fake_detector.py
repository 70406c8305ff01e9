"""A detector without a network, with the signatures of the real one: bright voxels score high."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK
from nibabel.orientations import io_orientation

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import (
    AnalysisWarning,
    AnomalyResult,
    CalibrationSummary,
    Provenance,
    SupportUse,
)
from d24fad_core.io.known_studies import volume_of
from d24fad_core.progress import Progress
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Volume


@dataclass
class FakeDetector:
    """Remembers what it was asked; `fault`, if any, is raised by `detect`.

    It has no decoder: a comparison that nobody names is the window.
    """

    has_own_model = True

    fault: BaseException | None = None
    checkpoint: Path | None = None
    cache_folder: Path | None = None
    device: str | None = None
    options: DetectionOptions | None = None
    studies: list[Volume] = field(default_factory=list)
    warnings: tuple[AnalysisWarning, ...] = ()

    def load(
        self,
        checkpoint: Path | None = None,
        *,
        cache_folder: Path | None = None,
        device: str = "cpu",
        decoder: Path | None = None,
    ) -> "FakeDetector":
        """Stand in for `Detector.from_checkpoint`."""
        self.checkpoint, self.cache_folder, self.device = checkpoint, cache_folder, device
        return self

    def prepare_support(
        self, studies: Sequence[Volume], options: DetectionOptions, progress: Progress
    ) -> list[Volume]:
        self.studies = list(studies)
        progress("features", 1.0)
        return self.studies

    def match(
        self, query: Volume, normal: Volume, support: list[Volume], options: DetectionOptions
    ) -> MatchedNormal:
        return MatchedNormal(volume_of(normal), SimpleITK.AffineTransform(3))

    def detect(
        self, query: Volume, support: list[Volume], options: DetectionOptions, progress: Progress
    ) -> AnomalyResult:
        self.options = options
        progress("scores", 0.5)
        if self.fault is not None:
            raise self.fault
        axes = io_orientation(query.affine)[:, 0].tolist()
        slice_axis = axes.index(options.planes[0].axis)
        others = tuple(axis for axis in range(3) if axis != slice_axis)
        heatmap = np.maximum(0, (query.array - 100) / 10).astype(np.float32)
        threshold = 4.0 if options.threshold is None else options.threshold
        mask, findings = find_findings(
            heatmap, threshold, query.affine, slice_axis, options.minimum_volume_ml
        )
        return AnomalyResult(
            heatmap=heatmap,
            mask=mask,
            affine=query.affine,
            planes=options.planes,
            slice_axis=slice_axis,
            slice_scores=tuple(heatmap.max(axis=others).tolist()),
            case_score=float(heatmap.max()),
            findings=findings,
            calibration=CalibrationSummary(
                unit="z",
                threshold=threshold,
                normal_patients=len(support),
                normal_case_scores=tuple(1.0 for _ in support),
                p_value=1 / (len(support) + 1),
                statement=f"{len(support)} normal patients certify little.",
            ),
            provenance=Provenance(
                query_name=query.name,
                query_hash=query.content_hash,
                checkpoint_name="fake",
                checkpoint_hash="0" * 64,
                supports=tuple(
                    SupportUse(study.name, study.content_hash, 1 / len(support))
                    for study in support
                ),
                parameters={"ct_window": options.ct_window},
                versions={"d24fad": "0.1.0"},
            ),
            warnings=self.warnings,
            reduction=query.reduction,
        )
