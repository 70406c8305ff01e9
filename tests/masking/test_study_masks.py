"""Who gets a mask: a case and its normals show the same."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.io.known_studies import KnownStudy, StudySource, volume_of
from d24fad_core.masking import study_masks
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.masking.study_masks import MaskWarning, StudyMasks
from d24fad_core.volumes.volume import MaskKind, Modality, Volume
from tests.masking.heads import brain_of, head, stripped

pytestmark = pytest.mark.filterwarnings("ignore::d24fad_core.masking.study_masks.MaskWarning")


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the heads that were stripped, by their true brains: the method is not the point."""
    names: list[str] = []

    def strip(volume: Volume, kind: MaskKind) -> NDArray[np.bool_]:
        names.append(volume.name)
        return brain_of(int(volume.name[-1]))

    monkeypatch.setattr(study_masks, "brain_mask", strip)
    return names


def kinds(studies: list[StudySource]) -> list[bool]:
    return [volume_of(study).mask is not None for study in studies]


def run(
    masks: StudyMasks, case: Volume, normals: list[StudySource]
) -> tuple[Volume, list[StudySource]]:
    masked = masks.mask_normals(normals, case)
    return masks.mask_case(case, brains=masks.show_brains(masked)), masked


def test_a_head_among_brains_is_stripped() -> None:
    case, normals = run(StudyMasks(), head(0), [stripped(1), stripped(2)])
    assert case.mask is not None and kinds(normals) == [False, False]
    np.testing.assert_array_equal(case.mask.inside, brain_of(0))


def test_heads_are_stripped_for_a_brain_and_for_brains_among_them() -> None:
    case, normals = run(StudyMasks(), stripped(0), [head(1), head(2)])
    assert case.mask is None and kinds(normals) == [True, True]
    case, normals = run(StudyMasks(), head(0), [head(1), stripped(2)])
    assert case.mask is not None and kinds(normals) == [True, False]


@pytest.mark.parametrize("strip_heads", [False, True])
def test_heads_among_heads_are_all_stripped_or_none(strip_heads: bool) -> None:
    masks = StudyMasks(strip_heads=strip_heads)
    case, normals = run(masks, head(0), [head(1), head(2)])
    assert [case.mask is not None, *kinds(normals)] == [strip_heads] * 3


def test_on_demand_every_head_is_stripped_or_none() -> None:
    case, normals = run(StudyMasks(BrainMask.TEMPLATE), head(0), [head(1), stripped(2)])
    assert case.mask is not None and kinds(normals) == [True, False]
    case, normals = run(StudyMasks(BrainMask.NONE), head(0), [stripped(1), stripped(2)])
    assert case.mask is None and kinds(normals) == [False, False]


def test_a_mask_file_is_enough_for_a_case(calls: list[str]) -> None:
    case = apply_mask(head(0), brain_of(0), MaskKind.FILE)
    masked, normals = run(StudyMasks(), case, [head(1), head(2)])
    assert masked is case and calls == ["head-1", "head-2"] and kinds(normals) == [True, True]


def test_what_is_no_head_is_left_as_it_is(calls: list[str]) -> None:
    knee = replace(head(0), affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    case, _ = run(StudyMasks(BrainMask.TEMPLATE), knee, [knee])
    assert case is knee and not calls


def test_a_ct_loses_its_table() -> None:
    array = np.full((60, 60, 20), -1000.0, np.float32)
    array[15:45, 20:50, :] = 30.0
    array[5:55, 4:6, :] = 200.0
    scan = Volume(array, np.diag([4.0, 4.0, 4.0, 1.0]), Modality.CT, "ct")
    case, (normal,) = run(StudyMasks(), scan, [replace(scan, name="other")])
    assert case.mask is not None and case.mask.kind is MaskKind.BODY
    # Only sharp edges are rounded off, which no body has.
    assert case.mask.inside[15:45, 20:50].mean() > 0.98 and not case.mask.inside[:, 4:6].any()
    assert case.mask.inside[16:44, 21:49].all()
    assert (case.array[:, 4:6] == -1000).all()
    assert volume_of(normal).mask is not None
    assert run(StudyMasks(BrainMask.NONE), scan, [scan])[0] is scan
    with pytest.raises(ConfigurationError, match="is a CT, and brain masks by 'template'"):
        run(StudyMasks(BrainMask.TEMPLATE), scan, [scan])


def test_a_normal_is_stripped_once_and_then_not_even_read(tmp_path: Path, calls: list[str]) -> None:
    scans = [head(1), head(2)]
    first = StudyMasks(BrainMask.TEMPLATE, tmp_path).mask_normals(scans)
    assert calls == ["head-1", "head-2"]

    names: list[str] = []

    def known(scan: Volume) -> KnownStudy:
        def reader() -> Volume:
            names.append(scan.name)
            return scan

        return KnownStudy(scan.name, scan.content_hash, scan.modality, reader)

    again = StudyMasks(BrainMask.TEMPLATE, tmp_path)
    second = again.mask_normals([known(scan) for scan in scans])
    assert [s.content_hash for s in second] == [s.content_hash for s in first]
    assert calls == ["head-1", "head-2"] and not names
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(volume_of(one).array, volume_of(other).array)
    assert names == ["head-1", "head-2"]


def test_a_damaged_mask_is_made_again(tmp_path: Path, calls: list[str]) -> None:
    StudyMasks(BrainMask.TEMPLATE, tmp_path).mask_normals([head(1)])
    for path in (tmp_path / "masks").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    StudyMasks(BrainMask.TEMPLATE, tmp_path).mask_normals([head(1)])
    assert calls == ["head-1", "head-1"]


def test_without_deepbet_it_is_said_once_that_the_template_is_less_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("d24fad_core.masking.brain_mask.deepbet_version", lambda: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(StudyMasks(), head(0), [head(1), stripped(2)])
    words = [str(w.message) for w in caught if w.category is MaskWarning]
    assert len(words) == 1 and "d24fad[brain]" in words[0]
    with pytest.raises(ConfigurationError, match=r"pip install 'd24fad\[brain\]'"):
        StudyMasks(BrainMask.DEEPBET)


def test_a_mask_that_is_no_brain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from d24fad_core.masking import brain_mask

    monkeypatch.setattr(brain_mask, "template_brain", lambda volume: np.ones(volume.shape, bool))
    with pytest.raises(InputError, match=r"holds 11904 ml, and brains have 600 to 2200 ml"):
        brain_mask.brain_mask(head(0), MaskKind.TEMPLATE)
