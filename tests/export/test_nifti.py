from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.rank_map import label_findings
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export import write_heatmap, write_mask, write_ranks
from tests.export.analysed_study import analysed, reduced_study

SHAPE = (24, 28, 12)


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Grids of any orientation; those turned by nearly 180 degrees are the hard ones for NIfTI."""
    angles = [draw(st.sampled_from([0.0, 90.0, 180.0])) + draw(st.floats(-9, 9)) for _ in range(3)]
    spacing = [draw(st.floats(0.3, 8)) * draw(st.sampled_from([-1, 1])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    affine[:3, 3] = [draw(st.floats(-400, 400)) for _ in range(3)]
    return affine


def corners(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    indices = np.stack(np.meshgrid(*((0, n - 1) for n in SHAPE)), axis=-1).reshape(-1, 3)
    return indices @ affine[:3, :3].T + affine[:3, 3]


def affine_seen_by_itk(path: Path) -> NDArray[np.float64]:
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def nearly_half_turn() -> NDArray[np.float64]:
    """A grid that NIfTI's quaternion cannot hold to a hundredth of a millimetre."""
    affine = np.eye(4)
    turn = Rotation.from_rotvec([179.9, 2.0, 1.0], degrees=True)
    affine[:3, :3] = turn.as_matrix() * [8.0, 8.0, 8.0]
    return affine


@given(affine=affines())
@example(affine=nearly_half_turn())
@settings(max_examples=60, deadline=None)
def test_both_families_of_readers_see_the_source_geometry(
    tmp_path_factory: pytest.TempPathFactory, affine: NDArray[np.float64]
) -> None:
    path = tmp_path_factory.mktemp("nifti") / "mask.nii.gz"
    _, result = analysed(SHAPE)
    write_mask(replace(result, affine=affine), path)

    image = nib.load(path)
    assert image.shape == SHAPE
    np.testing.assert_allclose(corners(image.affine), corners(affine), atol=1e-4)
    np.testing.assert_allclose(corners(affine_seen_by_itk(path)), corners(affine), atol=1e-3)
    assert image.header["sform_code"] == 1  # positions in the scanner
    qform, code = image.get_qform(coded=True)
    if code:
        np.testing.assert_allclose(corners(qform), corners(affine), atol=2e-3)


def test_the_heatmap_holds_the_scores_as_they_are(
    tmp_path: Path,
) -> None:
    _, result = analysed()
    write_heatmap(result, tmp_path / "heatmap.nii.gz")

    image = nib.load(tmp_path / "heatmap.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), result.heatmap)
    assert RESEARCH_USE_ONLY in str(image.header["descrip"])


def test_the_mask_is_binary(
    tmp_path: Path,
) -> None:
    _, result = analysed()
    write_mask(result, tmp_path / "mask.nii")

    image = nib.load(tmp_path / "mask.nii")
    assert image.get_data_dtype() == np.uint8
    assert set(np.unique(image.dataobj)) == {0, 1}
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), result.heatmap > 3)


def test_equal_results_are_equal_files(
    tmp_path: Path,
) -> None:
    _, result = analysed()
    write_heatmap(result, tmp_path / "one.nii.gz")
    write_heatmap(result, tmp_path / "two.nii.gz")
    content = (tmp_path / "one.nii.gz").read_bytes()
    assert content == (tmp_path / "two.nii.gz").read_bytes()
    assert content[4:8] == bytes(4)  # gzip's time stamp


@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
@pytest.mark.parametrize("write", [write_heatmap, write_mask])
def test_a_map_that_is_written_slice_by_slice_is_the_one_that_is_written_whole(
    write: Callable[[AnomalyResult, Path], None], name: str, tmp_path: Path
) -> None:
    affine = np.array([[0, 0, -0.7, 40], [0.5, 0, 0, -9], [0, -0.4, 0, 12], [0, 0, 0, 1]])
    _, result = reduced_study((4, 3, 2), (1, 2, 0), affine)
    heatmap, mask = (
        np.stack(list(result.reduction.source_slices(array)), axis=2)
        for array in (result.heatmap, result.mask)
    )
    whole = replace(result, heatmap=heatmap, mask=mask, affine=affine, reduction=None)
    write(whole, tmp_path / f"whole-{name}")
    write(result, tmp_path / f"reduced-{name}")
    expected = (tmp_path / f"whole-{name}").read_bytes()
    assert (tmp_path / f"reduced-{name}").read_bytes() == expected
    assert nib.load(tmp_path / f"reduced-{name}").shape == (63, 52, 20)


def test_viewers_are_told_what_a_heatmap_is_and_where_to_begin_colouring(tmp_path: Path) -> None:
    _, result = analysed(threshold=3.25)
    write_heatmap(result, tmp_path / "heatmap.nii.gz")
    header = nib.load(tmp_path / "heatmap.nii.gz").header
    assert header.get_intent()[0] == "z score"
    assert (float(header["cal_min"]), float(header["cal_max"])) == (3.25, 10.0)


@pytest.mark.parametrize("count", [2, 300])
def test_findings_are_labelled_by_rank(tmp_path: Path, count: int) -> None:
    places = [(i, j, k) for k in range(1, 12, 2) for j in range(1, 27, 3) for i in range(1, 23, 3)]
    lesions = tuple((place, 5.0 + 0.01 * n) for n, place in enumerate(places[:count]))
    # Bumps far narrower than the voxels stay apart.
    _, result = analysed(affine=np.diag([20.0, 20.0, 20.0, 1.0]), lesions=lesions)
    assert len(result.findings) == count
    write_ranks(result, tmp_path / "findings.nii.gz")
    image = nib.load(tmp_path / "findings.nii.gz")
    ranks = np.asarray(image.dataobj)
    assert ranks.dtype == (np.uint8 if count < 256 else np.uint16)
    assert image.header.get_intent()[0] == "label"
    for finding in result.findings:
        assert ranks[finding.peak_voxel] == finding.rank
    np.testing.assert_array_equal(ranks > 0, result.mask > 0)


def test_a_result_makes_its_ranks_once() -> None:
    _, result = analysed()
    ranks = result.ranks
    assert ranks is result.ranks and ranks.any()
    np.testing.assert_array_equal(ranks, label_findings(result.mask, result.findings))
    assert not replace(result, findings=()).ranks.any()
    with pytest.raises(ValueError, match="read-only"):
        ranks[0, 0, 0] = 1
