"""Whether two studies show one person: pictures made up, and real people."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.io.reading import read_volume
from d24fad_core.support.frame import align, make_frame
from d24fad_core.support.likeness import (
    SAME_PERSON,
    likeness,
    likenesses,
    mirror_likenesses,
    part_likeness,
)
from d24fad_core.support.profile import StudyProfile, load_profile, save_profile
from d24fad_core.support.support_set import SupportStudy
from d24fad_core.volumes.volume import Modality, Volume

PEOPLE = Path(__file__).parents[3] / "shared" / "volumes"
STEP = 4.0


def picture(seed: int) -> NDArray[np.float32]:
    """A head of its own folds: all have the broad shape, nobody the same detail."""
    axes = np.linspace(-1, 1, 44), np.linspace(-1, 1, 40), np.linspace(-1, 1, 36)
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    noise = np.random.default_rng(seed).normal(size=radius.shape)
    folds = ndimage.gaussian_filter(noise, 1.2)
    inside = np.clip((0.9 - radius) / 0.1, 0, 1)
    return (inside * (0.6 + 0.12 * folds / folds.std())).astype(np.float32)


def profile(values: NDArray[np.float32]) -> StudyProfile:
    return StudyProfile((1.0, 1.0, 1.0), (180.0, 200.0, 160.0), 0.9, values, (STEP,) * 3)


def moved(values: NDArray[np.float32], degrees: float) -> NDArray[np.float32]:
    turned = ndimage.rotate(values, degrees, axes=(0, 1), reshape=False, order=1)
    return np.asarray(turned, dtype=np.float32)


def test_another_scale_of_intensities_is_the_same_person() -> None:
    one = picture(0)
    assert likeness(profile(one), profile(one)) == pytest.approx(1.0)
    assert likeness(profile(one), profile(0.3 * one + 0.2)) == pytest.approx(1.0)
    assert likeness(profile(one), profile(one**0.7)) > SAME_PERSON


def test_two_people_are_not_one() -> None:
    pictures = [profile(picture(seed)) for seed in range(5)]
    broad = [
        np.corrcoef(a.picture.ravel(), b.picture.ravel())[0, 1]
        for a, b in itertools.combinations(pictures, 2)
    ]
    assert min(broad) > 0.9  # so alike that plain correlation tells nothing
    pairs = itertools.combinations(pictures, 2)
    assert max(likeness(one, other) for one, other in pairs) < 0.7


def test_one_person_aligned_a_little_otherwise_is_recognised() -> None:
    one = picture(0)
    assert likeness(profile(one), profile(moved(one, 4.0))) > SAME_PERSON
    noise = np.random.default_rng(1).normal(0, 0.03, one.shape).astype(np.float32)
    assert likeness(profile(one), profile(moved(one, 2.0) + noise)) > SAME_PERSON


def test_ones_own_scan_is_recognised_among_people_of_one_anatomy() -> None:
    """Many are doubtfully alike, and the likest of them is laid upon the case."""
    anatomy = picture(0)
    people = [(0.7 * anatomy + 0.3 * picture(seed)).astype(np.float32) for seed in range(1, 7)]
    normals = [SupportStudy(str(n), str(n), profile(each)) for n, each in enumerate(people)]
    own = profile(moved(people[3], 3.0))
    one_by_one = [likeness(normal.profile, own) for normal in normals]
    values = likenesses(own, normals)
    assert int(np.argmax(values)) == 3
    assert values[3] == one_by_one[3] > SAME_PERSON
    assert all(value <= single for value, single in zip(values, one_by_one, strict=True))


def test_an_empty_picture_is_like_nothing() -> None:
    assert likeness(profile(picture(0)), profile(np.zeros((44, 40, 36), np.float32))) == 0.0


def test_a_profile_is_kept_as_it_is(tmp_path: Path) -> None:
    original = replace(profile(picture(3)), similarity=0.1 + 0.2)
    save_profile(original, tmp_path / "profile.safetensors")
    copy = load_profile(tmp_path / "profile.safetensors")
    assert copy is not None
    np.testing.assert_array_equal(copy.picture, original.picture)
    assert replace(copy, picture=original.picture).__dict__ == original.__dict__


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_damaged_profile_is_made_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profile.safetensors").write_bytes(content)
    assert load_profile(tmp_path / "profile.safetensors") is None
    assert load_profile(tmp_path / "absent.safetensors") is None


def stored_otherwise(volume: Volume) -> Volume:
    """The same scan: 8 degrees turned, axes in another order, another scale, noise."""
    image = sitk.GetImageFromArray(volume.array)
    centre = image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()])
    turn = sitk.Euler3DTransform(centre, *np.deg2rad((8.0, -8.0, 8.0)))
    array = sitk.GetArrayFromImage(sitk.Resample(image, image, turn, sitk.sitkLinear, 0.0))
    brightest = float(np.percentile(array, 99.5))
    array = 3.0 * array + np.random.default_rng(0).normal(0, 0.06 * brightest, array.shape)
    order = np.zeros((4, 4))
    order[0, 2] = order[1, 0] = order[2, 1] = order[3, 3] = 1.0
    # Voxel (i, j, k) of the new array is (k, i, j) of the old one.
    turned = np.ascontiguousarray(array.transpose(1, 2, 0).astype(np.float32))
    return replace(volume, array=turned, affine=volume.affine @ order)


def mirrored(volume: Volume) -> Volume:
    """Left and right exchanged."""
    axis = int(np.abs(volume.affine[0, :3]).argmax())
    return replace(volume, array=np.ascontiguousarray(np.flip(volume.array, axis)))


def upper_part(volume: Volume) -> Volume:
    """What the scan shows, less the lowest sixth of the patient."""
    axis = int(np.abs(volume.affine[2, :3]).argmax())
    array = volume.array.copy()
    upwards = np.moveaxis(array, axis, 0)[:: 1 if volume.affine[2, axis] > 0 else -1]
    occupied = np.flatnonzero((upwards > 0.1 * np.percentile(array, 99)).mean(axis=(1, 2)) > 0.05)
    upwards[: occupied[0] + len(occupied) // 6] = array.min()
    return replace(volume, array=array)


@pytest.mark.slow
@pytest.mark.parametrize("cohort", ["normal_t1_ixi", "normal_t1_ds002748"])
def test_real_people(cohort: str) -> None:
    """The limit lies far from what two people reach and from what one person reaches."""
    paths = sorted((PEOPLE / cohort).glob("*.nii.gz"))[1::2][:6]
    if not paths:
        pytest.skip(f"{PEOPLE / cohort} is not here")
    people = [read_volume(path, Modality.MR) for path in paths]
    frame = make_frame(people[0], 128, "body")
    profiles = [align(each, frame, "body", register=True).profile for each in people]
    pairs = [likeness(a, b) for a, b in itertools.combinations(profiles, 2)]
    assert max(pairs) < SAME_PERSON - 0.1
    for own, volume in zip(profiles[1:3], people[1:3], strict=True):
        again = align(stored_otherwise(volume), frame, "body", register=True).profile
        assert likeness(own, again) > SAME_PERSON
    normals = [
        SupportStudy(volume.name, str(number), own)
        for number, (volume, own) in enumerate(zip(people, profiles, strict=True))
    ]
    # Nobody is the mirror image of another, nor, though heads are nearly symmetric, of himself.
    for own in profiles[:3]:
        assert max(mirror_likenesses(own, normals, frame)) < SAME_PERSON
    for number in (0, 2):
        turned_over = align(mirrored(people[number]), frame, "body", register=True).profile
        values = mirror_likenesses(turned_over, normals, frame)
        assert values[number] > SAME_PERSON
        assert max([*values[:number], *values[number + 1 :]]) < SAME_PERSON - 0.1
        # Whether a part of a scan is named depends on its alignment; nobody else is.
        part = align(upper_part(people[number]), frame, "body", register=True).profile
        values = tuple(part_likeness(own, part) for own in profiles)
        assert max([*values[:number], *values[number + 1 :]]) < SAME_PERSON - 0.1
