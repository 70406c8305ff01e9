"""The volume protocol on noisy boxes with a bright cube, with a real teacher."""

from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import InputError, SupportError
from d24fad_core.evaluation.methods import DEFAULT, NEAREST_NEIGHBOUR, nearest_neighbour
from d24fad_core.evaluation.volume_protocol import VolumeEvaluation, evaluate_volumes
from d24fad_core.io.reading import find_studies, read_volume
from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.networks.d24fad import D24FAD
from tests.cli.small_studies import write_study
from tests.evaluation.networks import untrained_network

OPTIONS = DetectionOptions(register=False)
SCORING = ScoringConfig(
    fusion={
        MapKind.SELF_DISTILLATION: (0.0, 0.0, 0.0),
        MapKind.TEACHER_STUDENT: (0.0, 1.0, 1.0),
        MapKind.TEACHER_SUPPORT: (0.0, 1.0, 1.0),
    }
)
METHODS = {DEFAULT: SCORING, NEAREST_NEIGHBOUR: nearest_neighbour(SCORING)}
LESION = (slice(14, 18), slice(8, 12), slice(5, 8))


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


def write_mask(path: Path, case: Path, where: tuple[slice, ...] = LESION) -> None:
    image = nib.load(case)
    mask = np.zeros(image.shape, np.uint8)
    mask[where] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask, image.affine), path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three normals, two normal cases and two with lesions."""
    return write_cohort(tmp_path / "cohort")


def write_cohort(root: Path) -> Path:
    for number in range(3):
        write_study(root / "support" / f"normal-{number}.nii.gz", seed=number)
    for number in range(2):
        write_study(root / "cases" / f"plain-{number}.nii.gz", seed=10 + number)
        case = root / "cases" / f"sick-{number}.nii.gz"
        write_study(case, seed=20 + number, lesion=True)
        write_mask(root / "masks" / case.name, case)
    return root


def measure(model: D24FAD, root: Path) -> dict[str, VolumeEvaluation]:
    card = ModelCard("untrained", model.config, image_size=64)
    return evaluate_volumes(model, card, METHODS, root, options=OPTIONS, rounds=50)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def measured(model: D24FAD, cohort: Path) -> dict[str, VolumeEvaluation]:
    return measure(model, cohort)


def test_bright_cubes_are_found_without_training(measured: dict[str, VolumeEvaluation]) -> None:
    figures = measured[NEAREST_NEIGHBOUR]
    assert figures.voxels.auroc.value > 0.9
    assert figures.voxels.average_precision.value > 5 * figures.voxels.prevalence
    assert figures.volumes is not None and figures.volumes.auroc.value == 1.0


def assert_figures_follow(model: D24FAD, root: Path, measured: dict[str, VolumeEvaluation]) -> None:
    """Compare with figures worked out here from what the detector finds in each case."""
    card = ModelCard("untrained", model.config, image_size=64)
    for name, scoring in METHODS.items():
        detector = Detector(model, card, scoring=scoring)
        support = detector.prepare_support(
            [read_volume(path) for path in find_studies(root / "support")], OPTIONS
        )
        scores, labels, cases, hits, marked, lesions = [], [], {}, [], [], 0
        for path in find_studies(root / "cases"):
            result = detector.detect(read_volume(path), support, OPTIONS)
            truth = np.zeros(result.heatmap.shape, bool)
            if (root / "masks" / path.name).exists():
                truth = nib.load(root / "masks" / path.name).get_fdata() > 0
                hits.append(result.mask[truth].any())
                lesions += ndimage.label(truth, np.ones((3, 3, 3)))[1]
            else:
                marked.append(result.mask[result.heatmap != 0].mean())
            inside = (result.heatmap != 0) | truth
            values = np.where(result.heatmap == 0, result.heatmap.min(), result.heatmap)
            scores.append(values[inside])
            labels.append(truth[inside])
            cases[path.name] = result.case_score
        figures = measured[name]
        assert figures.case_scores == cases
        every, truths = np.concatenate(scores), np.concatenate(labels)
        assert figures.voxels.auroc.value == pytest.approx(roc_auc_score(truths, every))
        assert figures.voxels.average_precision.value == pytest.approx(
            average_precision_score(truths, every)
        )
        assert figures.voxels.prevalence == pytest.approx(truths.mean())
        assert figures.volumes.auroc.value == pytest.approx(
            roc_auc_score([case.startswith("sick") for case in cases], list(cases.values()))
        )
        assert figures.voxels.dice is not None
        marked_voxels = every >= result.calibration.threshold
        assert figures.voxels.dice.value == pytest.approx(
            2 * (marked_voxels & truths).sum() / (marked_voxels.sum() + truths.sum())
        )
        assert figures.lesions.lesions == lesions and figures.lesions.scans == len(cases)
        assert figures.lesions_hit == np.mean(hits)
        assert figures.normal_voxels_marked == pytest.approx(np.mean(marked))
        own = [roc_auc_score(t, s) for t, s in zip(labels, scores, strict=True) if t.any()]
        assert figures.mean_voxel_auroc == pytest.approx(np.mean(own))


def test_figures_follow_from_what_the_detector_finds(
    model: D24FAD, cohort: Path, measured: dict[str, VolumeEvaluation]
) -> None:
    assert_figures_follow(model, cohort, measured)


def test_lesion_voxels_that_were_not_analysed_count_as_missed(
    model: D24FAD, root: Path, measured: dict[str, VolumeEvaluation]
) -> None:
    mask = root / "masks" / "sick-1.nii.gz"
    image = nib.load(mask)
    truth = np.asarray(image.dataobj).copy()
    truth[:2, :5, :5] = 1  # air
    nib.save(nib.Nifti1Image(truth, image.affine), mask)
    figures = measure(model, root)
    assert_figures_follow(model, root, figures)
    for method, before in measured.items():
        assert figures[method].voxels.auroc.value < before.voxels.auroc.value - 0.1


def test_a_case_score_does_not_depend_on_the_other_cases(
    model: D24FAD, root: Path, measured: dict[str, VolumeEvaluation]
) -> None:
    for name in ("plain-0", "plain-1", "sick-1"):
        (root / "cases" / f"{name}.nii.gz").unlink()
    (root / "masks" / "sick-1.nii.gz").unlink()
    alone = measure(model, root)
    for method, before in measured.items():
        name = "sick-0.nii.gz"
        assert alone[method].case_scores == {name: before.case_scores[name]}


def test_without_normal_cases_voxels_are_measured_and_volumes_are_not(
    model: D24FAD, root: Path
) -> None:
    for path in (root / "cases").glob("plain-*"):
        path.unlink()
    for result in measure(model, root).values():
        assert result.voxels.auroc.value > 0.5
        assert result.volumes is None
        assert result.normal_voxels_marked is None


def test_nearest_neighbour_owes_nothing_to_the_student(
    root: Path, measured: dict[str, VolumeEvaluation]
) -> None:
    other = measure(untrained_network(seed=1), root)
    assert other[NEAREST_NEIGHBOUR] == measured[NEAREST_NEIGHBOUR]
    assert other[DEFAULT].case_scores != measured[DEFAULT].case_scores


def test_nearest_neighbour_takes_nothing_off() -> None:
    tuned = replace(SCORING, subtracted=1.0, search_radius=None)
    plain = nearest_neighbour(tuned)
    assert plain == METHODS[NEAREST_NEIGHBOUR]
    assert plain.keys == ((MapKind.TEACHER_SUPPORT, 1), (MapKind.TEACHER_SUPPORT, 2))
    assert plain.subtracted == 0.0 and plain.search_radius == (2, 2, 2)


def test_a_mask_may_be_of_another_format_than_its_case_and_have_a_rounded_affine(
    model: D24FAD, root: Path, measured: dict[str, VolumeEvaluation]
) -> None:
    """As other programs write them."""
    mask = root / "masks" / "sick-0.nii.gz"
    nib.save(nib.load(mask), root / "masks" / "sick-0.nii")
    mask.unlink()
    mask = root / "masks" / "sick-1.nii.gz"
    image = nib.load(mask)
    rounded = image.affine.copy()
    rounded[:3, 3] += 0.1
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), rounded), mask)
    assert measure(model, root) == measured


@pytest.mark.parametrize("part", ["support", "cases", "masks"])
def test_a_missing_folder_is_named_with_the_layout(model: D24FAD, root: Path, part: str) -> None:
    (root / part).rename(root / "elsewhere")
    with pytest.raises(InputError, match=rf"no folder .*{part}; the layout is"):
        measure(model, root)


def test_a_cohort_without_masks_is_refused(model: D24FAD, root: Path) -> None:
    for path in (root / "masks").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"no case .* has a mask"):
        measure(model, root)


def test_a_mask_without_a_case_is_named(model: D24FAD, root: Path) -> None:
    """Its case, under another name, would silently count as normal."""
    (root / "masks" / "sick-1.nii.gz").rename(root / "masks" / "sick-1-mask.nii.gz")
    with pytest.raises(InputError, match=r"sick-1-mask\.nii\.gz belongs to no case"):
        measure(model, root)


def test_a_mask_of_another_shape_is_named(model: D24FAD, root: Path) -> None:
    mask = root / "masks" / "sick-1.nii.gz"
    image = nib.load(mask)
    nib.save(image.slicer[:, :, :10], mask)
    with pytest.raises(InputError, match=r"sick-1\.nii\.gz has shape \(24, 26, 10\), its case"):
        measure(model, root)


def test_a_mask_somewhere_else_in_the_patient_is_named(model: D24FAD, root: Path) -> None:
    mask = root / "masks" / "sick-1.nii.gz"
    image = nib.load(mask)
    flipped = image.affine @ np.diag([-1, 1, 1, 1])
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), flipped), mask)
    with pytest.raises(InputError, match=r"sick-1\.nii\.gz lies up to 92\.0 mm away"):
        measure(model, root)


def test_an_empty_mask_is_named(model: D24FAD, root: Path) -> None:
    write_mask(
        root / "masks" / "plain-0.nii.gz", root / "cases" / "plain-0.nii.gz", (slice(0),) * 3
    )
    with pytest.raises(InputError, match=r"plain-0\.nii\.gz: every voxel is 0"):
        measure(model, root)


def test_a_case_that_is_in_the_support_too_is_named(model: D24FAD, root: Path) -> None:
    copyfile(root / "support" / "normal-1.nii.gz", root / "cases" / "plain-0.nii.gz")
    with pytest.raises(InputError, match=r"plain-0\.nii\.gz is the support study 'normal-1' too"):
        measure(model, root)


def test_a_support_of_one_is_refused(model: D24FAD, root: Path) -> None:
    for number in (0, 1):
        (root / "support" / f"normal-{number}.nii.gz").unlink()
    with pytest.raises(SupportError, match="2"):
        measure(model, root)
