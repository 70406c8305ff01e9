"""A detector that sees brightness: known spots become known findings, in milliseconds.

All around it is the real server; what the network finds is the business of other tests.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import nibabel
import numpy as np

from d24fad_core import __version__
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.calibration import summarise
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.options import DetectionOptions, check_support
from d24fad_core.detection.result import AnomalyResult, Provenance, SupportUse
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.progress import Progress, silent
from d24fad_core.volumes.volume import Volume

THRESHOLD = 4.0
"""Above it a voxel belongs to a finding."""
_NORMAL_SCORES = (0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True)
class Normals:
    """Normal studies as this detector needs them.

    Attributes:
        uses: each with an equal share.
        comparison: what was chosen for them; here it changes nothing.
    """

    uses: tuple[SupportUse, ...]
    comparison: ComparisonKind


class BrightnessDetector(Detector):
    """A voxel of intensity 500 scores 4, one of 900 scores 8.

    Attributes:
        nearest: which normal is most like each finding, by rank; tests set it.
    """

    nearest: Mapping[int, str] = {}

    @classmethod
    @cache
    def shared(cls) -> BrightnessDetector:
        """With the name and hash of the shipped network, which is loaded once for all servers."""
        return cls(*load_checkpoint(None, None))

    def prepare_support(
        self,
        studies: Sequence[StudySource],
        options: DetectionOptions | None = None,
        progress: Progress = silent,
    ) -> Any:
        """What the detector needs of normal studies."""
        check_support(studies)
        volumes = [volume_of(study) for study in studies]
        share = 1 / len(volumes)
        uses = tuple(SupportUse(v.name, v.content_hash, share) for v in volumes)
        comparison = options.comparison if options else None
        return Normals(uses, comparison or ComparisonKind.WINDOW)

    def detect(
        self,
        query: Volume,
        support: Any,
        options: DetectionOptions | None = None,
        progress: Progress = silent,
    ) -> AnomalyResult:
        """The bright regions of a study."""
        options = options or DetectionOptions()
        heatmap = np.clip(np.asarray(query.array, np.float32) / 100 - 1, 0, None)
        orientation = nibabel.orientations.io_orientation(query.affine)
        axis = int(np.flatnonzero(orientation[:, 0] == options.planes[0].axis)[0])
        threshold = THRESHOLD if options.threshold is None else options.threshold
        mask, findings = find_findings(heatmap, threshold, query.affine, axis, 0.0)
        others = tuple(other for other in range(3) if other != axis)
        score = float(heatmap.max())
        progress("done", 1.0)
        return AnomalyResult(
            heatmap=heatmap,
            mask=mask,
            affine=query.affine,
            planes=options.planes,
            slice_axis=axis,
            slice_scores=tuple(float(value) for value in heatmap.max(axis=others)),
            case_score=score,
            findings=tuple(
                replace(finding, nearest_normal=self.nearest.get(finding.rank))
                for finding in findings
            ),
            calibration=summarise(score, _NORMAL_SCORES, threshold, translated=False),
            provenance=self._provenance(query, support, options),
        )

    def _provenance(self, query: Volume, support: Normals, options: DetectionOptions) -> Provenance:
        parameters = asdict(options) | {"image_size": self.card.image_size, "weighting": "equal"}
        parameters["planes"] = ", ".join(plane.value for plane in options.planes)
        parameters["modality"] = query.modality.value
        return Provenance(
            query_name=query.name,
            query_hash=query.content_hash,
            checkpoint_name=self.card.name,
            checkpoint_hash=self.checkpoint_hash,
            supports=support.uses,
            parameters=parameters,
            versions={"d24fad": __version__, "python": platform.python_version()},
        )
