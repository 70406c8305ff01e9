"""Simulated cohorts: reproducible, extendable, and like the contrast they claim."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cc3d
import nibabel
import numpy as np
import pytest

from d24fad_core.errors import CancelledError, ConfigurationError
from d24fad_core.masking.coverage import BRAIN_ML, Coverage, coverage_of
from d24fad_core.simulation import (
    Contrast,
    LesionKind,
    Role,
    SimulationOptions,
    simulate_cohort,
    simulate_subject,
)
from d24fad_core.simulation.anatomy import Anatomy, sample_anatomy
from d24fad_core.simulation.appearance import render

COARSE = (4.0, 4.0, 4.0)
SMALL = SimulationOptions(support=1, normals=1, lesions=2, spacing=COARSE)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return sample_anatomy(np.random.default_rng(5), (3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort `SMALL`, to be read only."""
    folder = tmp_path_factory.mktemp("whole")
    simulate_cohort(folder, SMALL)
    return folder


@pytest.fixture
def cohort(whole: Path, tmp_path: Path) -> Path:
    """The same, the test's own."""
    return Path(shutil.copytree(whole, tmp_path / "cohort"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.nii.gz"))
    }


@pytest.mark.parametrize(
    ("contrast", "rising"),
    [
        (Contrast.T1, ["fluid", "grey_matter", "white_matter"]),
        (Contrast.T2, ["white_matter", "grey_matter", "fluid"]),
        (Contrast.FLAIR, ["fluid", "white_matter", "grey_matter"]),
        (Contrast.PD, ["white_matter", "grey_matter"]),
    ],
)
def test_tissues_rank_as_in_the_contrast(
    anatomy: Anatomy, contrast: Contrast, rising: list[str]
) -> None:
    scans = np.stack(
        [render(anatomy, contrast, np.random.default_rng(seed)) for seed in range(5)]
    ).mean(axis=0)
    means = [scans[getattr(anatomy, tissue) > 0.85].mean() for tissue in rising]
    assert means == sorted(means)
    assert means[0] < 0.95 * means[-1]


def test_background_is_zero_and_brain_is_not(anatomy: Anatomy) -> None:
    scan = render(anatomy, Contrast.T1, np.random.default_rng(0))
    assert (scan[~anatomy.brain] == 0).all()
    assert (scan[anatomy.white_matter > 0.5] > 0).all()


@pytest.mark.parametrize("contrast", list(Contrast))
def test_lesions_are_dark_on_t1_and_bright_elsewhere(contrast: Contrast) -> None:
    options = SimulationOptions(contrast=contrast, spacing=COARSE)
    ratios = []
    for index in range(3):
        subject = simulate_subject(options, Role.LESION, index)
        assert subject.mask is not None
        lesion = subject.image.array[subject.mask > 0].mean()
        ratios.append(lesion / np.median(subject.image.array[subject.image.array > 0]))
    assert np.mean(ratios) < 0.95 if contrast is Contrast.T1 else np.mean(ratios) > 1.05


def test_kinds_of_lesion_take_turns_and_look_their_kind() -> None:
    options = SimulationOptions(spacing=(3.0, 3.0, 3.0))
    for index in range(6):
        subject = simulate_subject(options, Role.LESION, index)
        assert subject.mask is not None
        assert subject.kind is list(LesionKind)[index % 3]
        number = cc3d.connected_components(subject.mask, connectivity=26).max()
        volume_ml = subject.mask.sum() * subject.image.voxel_ml
        if subject.kind is LesionKind.FOCI:
            assert 2 <= number <= 12
            assert 0.2 < volume_ml < 12
        else:
            assert 0.5 < volume_ml < 60
        assert (subject.image.array[subject.mask > 0] > 0).all()


def test_subjects_differ_and_stay_in_place() -> None:
    first, second = (simulate_subject(SMALL, Role.NORMAL, index).image for index in range(2))
    assert first.shape == second.shape
    np.testing.assert_array_equal(first.affine, second.affine)
    brains = [image.array > 0 for image in (first, second)]
    dice = 2 * (brains[0] & brains[1]).sum() / (brains[0].sum() + brains[1].sum())
    assert 0.8 < dice < 0.995


@pytest.mark.parametrize(
    ("seed", "role", "index"),
    [(4, Role.SUPPORT, 5), (3, Role.LESION, 7), (5, Role.NORMAL, 10)],
)
def test_the_largest_brains_are_known_for_brains(seed: int, role: Role, index: int) -> None:
    """Those of six cohorts: a brain that is taken for a head would be cut once more."""
    options = SimulationOptions(contrast=Contrast.T1, spacing=COARSE, seed=seed)
    brain = simulate_subject(options, role, index).image
    assert coverage_of(brain) is Coverage.BRAIN
    # Enough room for what smooth deformation adds.
    assert np.count_nonzero(brain.array) * brain.voxel_ml < 0.98 * BRAIN_ML[1]


def test_roles_and_seeds_give_different_heads() -> None:
    hashes = {
        simulate_subject(options, role, 0).image.content_hash
        for options in (SMALL, SimulationOptions(spacing=COARSE, seed=1))
        for role in Role
    }
    assert len(hashes) == 6


def test_a_seed_gives_the_same_lesions_in_every_contrast_and_head_in_every_spacing() -> None:
    masses = [
        simulate_subject(SimulationOptions(contrast=contrast, spacing=spacing), Role.LESION, 0)
        for contrast, spacing in (
            (Contrast.FLAIR, (3.0, 3.0, 3.0)),
            (Contrast.T1, (3.0, 3.0, 3.0)),
            (Contrast.T1, (2.0, 2.0, 4.0)),
        )
    ]
    masks = [mass.mask for mass in masses]
    assert all(mask is not None for mask in masks)
    np.testing.assert_array_equal(masks[0], masks[1])
    brains_ml = [(mass.image.array > 0).sum() * mass.image.voxel_ml for mass in masses]
    assert brains_ml[2] == pytest.approx(brains_ml[0], rel=0.02)


def test_layout_of_a_cohort(tmp_path: Path) -> None:
    steps: list[tuple[str, float]] = []
    simulate_cohort(tmp_path, SMALL, lambda step, fraction: steps.append((step, fraction)))
    assert list(contents(tmp_path)) == [
        "cases/lesion-001.nii.gz",
        "cases/lesion-002.nii.gz",
        "cases/normal-001.nii.gz",
        "masks/lesion-001.nii.gz",
        "masks/lesion-002.nii.gz",
        "support/support-001.nii.gz",
    ]
    card = json.loads((tmp_path / "cohort.json").read_text())
    assert card["synthetic"] is True
    assert "Not for clinical use" in card["use"]
    assert card["options"]["lesions"] == 2
    assert card["cases"]["lesion-002"] == "foci"
    image = nibabel.load(tmp_path / "cases/lesion-001.nii.gz")
    mask = nibabel.load(tmp_path / "masks/lesion-001.nii.gz")
    expected = simulate_subject(SMALL, Role.LESION, 0)
    np.testing.assert_array_equal(np.asarray(image.dataobj), expected.image.array)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), expected.mask)
    np.testing.assert_allclose(image.affine, mask.affine)
    assert steps[-1][1] == 1.0
    assert [fraction for _, fraction in steps] == sorted(fraction for _, fraction in steps)


def test_a_larger_cohort_keeps_what_is_there(cohort: Path) -> None:
    before = contents(cohort)
    times = {name: (cohort / name).stat().st_mtime_ns for name in before}
    simulate_cohort(cohort, SimulationOptions(support=2, normals=2, lesions=3, spacing=COARSE))
    after = contents(cohort)
    assert len(after) == len(before) + 4
    assert {name: after[name] for name in before} == before
    assert {name: (cohort / name).stat().st_mtime_ns for name in before} == times


def test_a_stopped_simulation_goes_on_to_the_same_files(whole: Path, tmp_path: Path) -> None:
    def stop(step: str, fraction: float) -> None:
        if fraction > 0.5:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        simulate_cohort(tmp_path / "stopped", SMALL, stop)
    assert 0 < len(contents(tmp_path / "stopped")) < len(contents(whole))
    (tmp_path / "stopped" / "cases" / ".partial-abc.nii.gz").write_bytes(b"killed while writing")
    (tmp_path / "stopped" / "masks").mkdir(exist_ok=True)
    simulate_cohort(tmp_path / "stopped", SMALL)
    (tmp_path / "stopped" / "cases" / ".partial-abc.nii.gz").unlink()
    assert contents(tmp_path / "stopped") == contents(whole)


@pytest.mark.parametrize(
    "other",
    [
        SimulationOptions(support=1, normals=1, lesions=2, spacing=COARSE, seed=1),
        SimulationOptions(support=1, normals=1, lesions=2, spacing=(5.0, 5.0, 5.0)),
        SimulationOptions(contrast=Contrast.T1, support=1, normals=1, lesions=2, spacing=COARSE),
    ],
)
def test_another_cohort_is_not_mixed_in(cohort: Path, other: SimulationOptions) -> None:
    before = contents(cohort)
    with pytest.raises(ConfigurationError, match="holds another cohort"):
        simulate_cohort(cohort, other)
    assert contents(cohort) == before


def test_fewer_subjects_than_are_there_are_refused(cohort: Path) -> None:
    fewer = SimulationOptions(support=1, normals=1, lesions=1, spacing=COARSE)
    with pytest.raises(ConfigurationError, match=r"lesion-002\.nii\.gz"):
        simulate_cohort(cohort, fewer)


def test_images_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "normal-001.nii.gz").write_bytes(b"someone's")
    with pytest.raises(ConfigurationError, match=r"cohort\.json does not say which cohort"):
        simulate_cohort(tmp_path, SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lesions": -1}, "lesions is -1"),
        ({"seed": -3}, "seed is -3"),
        ({"spacing": (0.0, 1.0, 1.0)}, "between 0.5 and 10 mm"),
        ({"spacing": (float("nan"), 1.0, 1.0)}, "between 0.5 and 10 mm"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SimulationOptions(**options)  # type: ignore[arg-type]


def test_several_contrasts_show_the_same_heads(tmp_path: Path) -> None:
    both = replace(SMALL, others=(Contrast.T1,))
    simulate_cohort(tmp_path / "both", both)
    assert json.loads((tmp_path / "both" / "cohort.json").read_text())["identity"]["contrast"] == [
        "FLAIR",
        "T1",
    ]
    for contrast in (Contrast.FLAIR, Contrast.T1):
        alone = tmp_path / contrast.value
        simulate_cohort(alone, replace(SMALL, contrast=contrast))
        for image in sorted((alone / "cases").iterdir()):
            name = image.name.removesuffix(".nii.gz")
            other = tmp_path / "both" / "cases" / name / f"{contrast.value.lower()}.nii.gz"
            assert other.read_bytes() == image.read_bytes()
        for mask in (alone / "masks").iterdir():
            assert (tmp_path / "both" / "masks" / mask.name).read_bytes() == mask.read_bytes()
    with pytest.raises(ConfigurationError, match=r"another cohort|not of this cohort"):
        simulate_cohort(tmp_path / "both", SMALL)
    with pytest.raises(ConfigurationError, match="twice"):
        replace(SMALL, others=(Contrast.T1, Contrast.FLAIR))
