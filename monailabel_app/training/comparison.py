"""Is a newly trained checkpoint at least as good as the one that is served?

Judged by confirmed normals that neither of the two has learned from, each patient counted once,
against the support set that is in use:

- **Normals stay dark.** A checkpoint's scores are in units of its own support's leave-one-out maps
  (z), so the mean case score of held-out normals says how far a normal stands out, in a unit that
  both checkpoints share. It must not rise, nor the number of findings in these normals, each of
  which is a false positive.
- **Lesions stay visible.** A checkpoint that gives every voxel the same score passes that. So a
  simulated mass and a simulated region are planted in each of these patients, the same for both
  checkpoints, and the mean AUROC of the lesion's voxels against the patient's others, which knows
  no unit and no threshold, must not fall.

Differences that nobody would see count as none, see `SAME_SCORE` and `SAME_AUROC`. Beyond them one
of the two means must be better: of equals the checkpoint stays that stored results, thresholds and
calibration rest on. There is no further margin for chance, since with few patients it would let a
worse checkpoint through; when in doubt nothing changes. The held-out patients decide only this,
they are no estimate of the checkpoint's performance: simulated lesions are easier than real ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.evaluation.metrics import auroc
from d24fad_core.progress import Progress, silent
from d24fad_core.volumes.volume import Volume
from monailabel_app.training.planting import KINDS, plant

SAME_SCORE = 0.05
"""Difference of case scores, z units, that counts as none: half a step of the 8-bit heatmap."""
SAME_AUROC = 0.002
"""Difference of AUROC that counts as none: one lesion voxel in 500 that changes its rank."""


@dataclass(frozen=True)
class HeldOutScores:
    """What a checkpoint makes of the held-out patients.

    Attributes:
        normal_scores: case score of each patient, z units.
        false_findings: findings in all of them.
        lesion_aurocs: voxel AUROC of each planted lesion.
    """

    normal_scores: tuple[float, ...]
    false_findings: int
    lesion_aurocs: tuple[float, ...]

    @property
    def mean_normal_score(self) -> float:
        """Mean case score of the normals, z units."""
        return fmean(self.normal_scores)

    @property
    def mean_lesion_auroc(self) -> float:
        """Mean voxel AUROC of the planted lesions."""
        return fmean(self.lesion_aurocs)


@dataclass(frozen=True)
class Verdict:
    """Whether the trained checkpoint is to be served.

    Attributes:
        accepted: it is.
        statement: one sentence with the values.
        served: what the served checkpoint makes of the held-out patients.
        trained: what the trained one does.
    """

    accepted: bool
    statement: str
    served: HeldOutScores
    trained: HeldOutScores


def measure(
    detector: Detector,
    support: Sequence[Volume],
    held_out: Sequence[Volume],
    options: DetectionOptions,
    progress: Progress = silent,
) -> HeldOutScores:
    """Score held-out normals, as they are and with lesions planted in them.

    Args:
        detector: a checkpoint.
        support: the support set.
        held_out: one normal study of each patient; read one at a time where it is lazy.
        options: how analyses are done.
        progress: told after each study.
    """
    prepared = detector.prepare_support(support, options)
    scores: list[float] = []
    aurocs: list[float] = []
    findings = 0
    for number, study in enumerate(held_out):
        progress("Judging by held-out normals", number / len(held_out))
        result = detector.detect(study, prepared, options)
        scores.append(result.case_score)
        findings += len(result.findings)
        for kind in KINDS:
            planted, lesion = plant(study, kind, seed=number)
            heatmap = detector.detect(planted, prepared, options).heatmap
            seen = (heatmap != 0) | lesion
            aurocs.append(auroc(lesion[seen], np.nan_to_num(heatmap[seen])))
    return HeldOutScores(tuple(scores), findings, tuple(aurocs))


def judge(served: HeldOutScores, trained: HeldOutScores) -> Verdict:
    """Decide, see the module. Scores that are no numbers count as worse."""
    darker = served.mean_normal_score - trained.mean_normal_score
    more_visible = trained.mean_lesion_auroc - served.mean_lesion_auroc
    accepted = (
        darker >= -SAME_SCORE
        and more_visible >= -SAME_AUROC
        and trained.false_findings <= served.false_findings
        and (darker > SAME_SCORE or more_visible > SAME_AUROC)
    )
    values = (
        f"On {len(served.normal_scores)} held-out normal patients the mean case score goes from "
        f"{served.mean_normal_score:.2f} to {trained.mean_normal_score:.2f} z, false findings "
        f"from {served.false_findings} to {trained.false_findings}, and the mean AUROC of planted "
        f"lesions from {served.mean_lesion_auroc:.4f} to {trained.mean_lesion_auroc:.4f}: "
    )
    outcome = "the new checkpoint is served." if accepted else "the served checkpoint stays."
    return Verdict(accepted, values + outcome, served, trained)
