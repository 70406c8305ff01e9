"""`python -m benchmarks.real_cases --volumes VOLUMES --out OUT`: two real cases, simulated normals.

Multiple sclerosis in FLAIR and a tumour in T1 with gadolinium, each against simulated normals of
the same weighting, as they are and translated into the look of the case. Lesion voxels are compared
with the other voxels of the brain.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from nilearn.datasets import load_mni152_brain_mask
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.evaluation.volume_pictures import draw_case
from d24fad_core.files import write_text
from d24fad_core.io.reading import find_studies, read_volume
from d24fad_core.simulation import Contrast, SimulationOptions, simulate_cohort
from d24fad_core.support.frame import to_simpleitk
from d24fad_core.volumes.volume import Modality, Plane, Volume


@dataclass(frozen=True, eq=False)
class Condition:
    """One case and the normals that it is compared with.

    Attributes:
        case: the study.
        lesion: True inside lesions, on its grid.
        brain: True in the brain.
        normals: what it is compared with.
        described: which normals those are.
    """

    case: Volume
    lesion: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    normals: Sequence[Volume]
    described: str


def main() -> None:
    """Measure, draw, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    detector = Detector.from_checkpoint(cache_folder=arguments.out / "cache")
    rows = []
    for number, condition in enumerate(_conditions(arguments.volumes, arguments.out)):
        for translate in (False, True):
            rows.append(_measured(detector, condition, translate, arguments.out, number))
            print(rows[-1], flush=True)
    heading = (
        "| case | normals | method | axial | coronal | sagittal | three, fused | AP, fused |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    write_text(
        arguments.out / "real_cases.md", "\n".join([heading, *rows, "", RESEARCH_USE_ONLY, ""])
    )


def _measured(
    detector: Detector, condition: Condition, translate: bool, out: Path, number: int
) -> str:
    """One row of the table; draws the fused heatmap too."""
    case, inside = condition.case, condition.brain | condition.lesion
    truth = condition.lesion[inside]
    figures = []
    for planes in (*((plane,) for plane in Plane), tuple(Plane)):
        options = DetectionOptions(
            planes=planes,
            comparison=ComparisonKind.TRANSLATED if translate else ComparisonKind.WINDOW,
        )
        support = detector.prepare_support(condition.normals, options)
        result = detector.detect(case, support, options)
        scores = result.heatmap[inside]
        figures.append(f"{roc_auc_score(truth, scores):.3f}")
    figures.append(f"{average_precision_score(truth, scores):.3f}")
    method = "normals translated" if translate else "default"
    draw_case(
        case,
        condition.lesion,
        result.heatmap,
        result.calibration.threshold,
        f"{case.name}, {condition.described}, {method}, three planes. {RESEARCH_USE_ONLY}",
        out / f"{number}-{'translated' if translate else 'default'}.png",
    )
    return f"| {case.name} | {condition.described} | {method} | {' | '.join(figures)} |"


def _conditions(volumes: Path, out: Path) -> Iterator[Condition]:
    sclerosis = read_volume(volumes / "ms_patient07" / "flair.nii.gz")
    sclerosis = replace(sclerosis, name="ms_patient07")
    lesions = read_volume(volumes / "ms_patient07" / "lesions.nii.gz").array > 0
    for seed, millimetres in ((33, 1.0), (7, 1.0), (202, 1.0), (7, 2.0), (202, 2.0)):
        normals = _simulated(out, Contrast.FLAIR, seed, millimetres, 5)
        described = f"5 simulated FLAIR, {millimetres:g} mm, seed {seed}"
        yield Condition(sclerosis, lesions, sclerosis.array > 0, normals, described)
    tumour = read_volume(volumes / "brain1" / "brain1_image.nrrd", Modality.MR)
    tumour = replace(tumour, name="brain1")
    mass = read_volume(volumes / "brain1" / "brain1_label.nrrd", Modality.MR).array > 0
    healthy = read_volume(volumes / "colin27" / "t1.nii.gz", Modality.MR)
    brain = _brain(tumour, healthy)
    simulated = _simulated(out, Contrast.T1, 7, 2.0, 4)
    yield Condition(tumour, mass, brain, simulated, "4 simulated T1, 2 mm, seed 7")
    mirrored = replace(healthy, array=np.ascontiguousarray(healthy.array[::-1]), name="mirror")
    yield Condition(tumour, mass, brain, [healthy, mirrored], "colin27 and its mirror image")
    stripped = np.where(brain | mass, tumour.array, tumour.array.min()).astype(np.float32)
    alone = replace(tumour, array=stripped, name="brain1, brain alone")
    yield Condition(alone, mass, brain, simulated, "4 simulated T1, 2 mm, seed 7")


def _simulated(
    out: Path, contrast: Contrast, seed: int, millimetres: float, count: int
) -> list[Volume]:
    folder = out / f"{contrast.value}-{seed}-{millimetres:g}mm"
    options = SimulationOptions(contrast, 8, 0, 0, (millimetres,) * 3, seed)
    simulate_cohort(folder, options)
    return [read_volume(path) for path in find_studies(folder / "support")[:count]]


def _brain(case: Volume, healthy: Volume) -> NDArray[np.bool_]:
    """The MNI brain, brought to a case by registering a head that lies in MNI space."""
    fixed, moving = (
        to_simpleitk(case.array, case.affine),
        to_simpleitk(healthy.array, healthy.affine),
    )
    registration = sitk.ImageRegistrationMethod()
    registration.SetMetricAsMattesMutualInformation(50)
    registration.SetMetricSamplingStrategy(registration.RANDOM)
    registration.SetMetricSamplingPercentage(0.1, 1)
    registration.SetNumberOfThreads(1)
    registration.SetInitialTransform(
        sitk.CenteredTransformInitializer(fixed, moving, sitk.AffineTransform(3)), False
    )
    registration.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200)
    registration.SetOptimizerScalesFromPhysicalShift()
    registration.SetShrinkFactorsPerLevel([4, 2])
    registration.SetSmoothingSigmasPerLevel([4, 2])
    registration.SetInterpolator(sitk.sitkLinear)
    transform = registration.Execute(fixed, moving)
    mask = load_mni152_brain_mask(resolution=1)
    atlas = to_simpleitk(np.asarray(mask.dataobj, dtype=np.float32), mask.affine)
    resampled = sitk.Resample(atlas, fixed, transform, sitk.sitkNearestNeighbor)
    brain: NDArray[np.bool_] = sitk.GetArrayFromImage(resampled).transpose() > 0
    return brain


if __name__ == "__main__":
    main()
