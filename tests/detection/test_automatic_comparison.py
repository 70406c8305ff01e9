"""Which comparison is made where nobody names one."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.detection.automatic_comparison import AutomaticComparison
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.io.known_studies import KnownStudy, StudySource
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.volumes.volume import MaskKind, Modality, Plane, Volume
from tests.detection.small_studies import detector, study
from tests.masking.heads import head as head_of_shapes
from tests.masking.heads import stripped

_BRAIN_MM = np.array([68.0, 84.0, 62.0])


@lru_cache(maxsize=8)
def brain(number: int, contrast: Contrast = Contrast.T1, thickness: float = 4.0) -> Volume:
    options = SimulationOptions(contrast=contrast, spacing=(4.0, 4.0, thickness), seed=31)
    return replace(simulate_subject(options, Role.SUPPORT, number).image, name=f"brain-{number}")


@lru_cache(maxsize=2)
def in_a_head(number: int) -> Volume:
    """A simulated brain in a skull and a scalp, as they are around an average brain."""
    alone = brain(number)
    array = np.pad(alone.array, 10)
    affine = alone.affine @ np.diag([0.92, 0.92, 0.92, 1.0])  # what a template holds has a rim
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 10.0)
    places = np.moveaxis(np.indices(array.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    inside = np.argwhere(array > 0) @ affine[:3, :3].T + affine[:3, 3]
    low, high = inside.min(axis=0), inside.max(axis=0)

    def shell(rim: float) -> np.ndarray:
        radii = (high - low) / 2 + rim
        shell: np.ndarray = (((places - (low + high) / 2) / radii) ** 2).sum(axis=-1) <= 1
        return shell

    whole = np.where(shell(14.0), 0.8 * array.max(), 0.0)
    whole[shell(8.0)] = 0.1 * array.max()
    whole[array > 0] = array[array > 0]
    return Volume(np.asfortranarray(whole, np.float32), affine, Modality.MR, f"head-{number}")


def ball(fill: Callable[[np.ndarray], np.ndarray]) -> Volume:
    """Something of a brain's size and shape that is none; `fill` gets radii, 1 at the surface."""
    shape = (50, 60, 48)
    centre = (np.array(shape) - 1) / 2
    places = (np.moveaxis(np.indices(shape), 0, -1) - centre) * 4.0
    radii = np.sqrt(((places / _BRAIN_MM) ** 2).sum(axis=-1))
    noise = np.random.default_rng(0).normal(0, 4, shape)
    array = np.where(radii <= 1, fill(radii) + noise, 0.0)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    return Volume(np.asfortranarray(array, np.float32), affine, Modality.MR, "ball")


def resolved(
    normals: list[StudySource],
    options: DetectionOptions | None = None,
    brain: BrainMask = BrainMask.AUTO,
    cache: Path | None = None,
    *,
    own_model: bool = False,
) -> tuple[ComparisonKind, str]:
    """What is chosen, and why."""
    automatic = AutomaticComparison(brain, cache, own_model=own_model)
    options, kind = automatic.resolve(options or DetectionOptions(), normals)
    assert options.comparison is kind
    return kind, options.comparison_reason or ""


@pytest.mark.parametrize("contrast", list(Contrast))
@pytest.mark.parametrize("thickness", [4.0, 6.0])
def test_brains_in_mr_get_the_learned_one(contrast: Contrast, thickness: float) -> None:
    normals: list[StudySource] = [brain(number, contrast, thickness) for number in (0, 1)]
    kind, reason = resolved(normals)
    assert kind is ComparisonKind.LEARNED
    assert reason == "all normals are brains in MR"


@pytest.mark.parametrize("mask", [BrainMask.AUTO, BrainMask.TEMPLATE])
def test_heads_get_it_where_they_may_be_stripped(mask: BrainMask) -> None:
    heads: list[StudySource] = [in_a_head(0), in_a_head(1)]
    assert resolved(heads, brain=mask)[0] is ComparisonKind.LEARNED
    kind, reason = resolved(heads, brain=BrainMask.NONE)
    assert kind is ComparisonKind.WINDOW
    assert reason.startswith("head-0 is not seen to be a brain alone")


def test_a_brain_within_a_mask_file_is_one_and_a_part_of_it_is_none() -> None:
    whole = in_a_head(0)
    alone = np.pad(brain(0).array, 10) > 0
    masked = apply_mask(whole, alone, MaskKind.FILE)
    assert resolved([masked, brain(1)])[0] is ComparisonKind.LEARNED
    part = alone.copy()
    part[: part.shape[0] // 2] = False
    assert resolved([apply_mask(whole, part, MaskKind.FILE), brain(1)])[0] is ComparisonKind.WINDOW


NO_BRAINS: dict[str, Callable[[], Volume]] = {
    "body": lambda: study(0),
    "even ball": lambda: ball(lambda radii: np.full_like(radii, 90.0)),
    "ball with a bright core": lambda: ball(lambda radii: np.where(radii < 0.7, 110.0, 70.0)),
    "ball with a dark core": lambda: ball(lambda radii: np.where(radii < 0.6, 40.0, 110.0)),
    "ball of noise": lambda: ball(
        lambda radii: np.random.default_rng(1).uniform(20, 200, radii.shape)
    ),
    "head of shapes": lambda: head_of_shapes(1),
    "brain of shapes": lambda: stripped(1),
    "upper half of a head": lambda: upper_half(in_a_head(0)),
    "brain upside down": lambda: replace(
        brain(0), array=np.asfortranarray(brain(0).array[:, :, ::-1])
    ),
}


def upper_half(whole: Volume) -> Volume:
    middle = whole.shape[2] // 2
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, 2] * middle
    return replace(whole, array=np.asfortranarray(whole.array[:, :, middle:]), affine=affine)


@pytest.mark.parametrize("name", NO_BRAINS)
def test_what_is_no_brain_gets_the_window(name: str) -> None:
    other = replace(NO_BRAINS[name](), name="other", modality=Modality.MR)
    kind, reason = resolved([other, other])
    assert kind is ComparisonKind.WINDOW
    assert reason.startswith("other is ")
    # One of them among brains is enough.
    assert resolved([brain(0), brain(1), other])[0] is ComparisonKind.WINDOW


def test_ct_gets_the_window_and_is_not_looked_at() -> None:
    def refuse() -> Volume:
        raise AssertionError("read")

    scans: list[StudySource] = [KnownStudy("scan", "hash", Modality.CT, refuse)] * 2
    assert resolved(scans) == (ComparisonKind.WINDOW, "scan is a CT")


def test_what_the_window_alone_serves_keeps_it() -> None:
    normals: list[StudySource] = [brain(0), brain(1)]
    kind, reason = resolved(normals, DetectionOptions(planes=(Plane.CORONAL,)))
    assert kind is ComparisonKind.WINDOW and "coronal" in reason
    kind, reason = resolved(normals, own_model=True)
    assert kind is ComparisonKind.WINDOW and "model" in reason


@pytest.mark.parametrize("kind", list(ComparisonKind))
def test_a_comparison_that_is_named_stays_and_has_no_reason(kind: ComparisonKind) -> None:
    automatic = AutomaticComparison(BrainMask.AUTO, None, own_model=True)
    options = DetectionOptions(comparison=kind)
    assert automatic.resolve(options, [study(0), study(1)]) == (options, kind)


def test_likenesses_are_kept_by_content(tmp_path: Path) -> None:
    def refuse() -> Volume:
        raise AssertionError("read again")

    normals = [brain(0), in_a_head(1), study(2)]
    judgements = [resolved([each], cache=tmp_path) for each in normals]
    known = [KnownStudy(n.name, n.content_hash, n.modality, refuse) for n in normals]
    assert [resolved([each], cache=tmp_path) for each in known] == judgements
    for path in (tmp_path / "brain-likenesses").iterdir():
        path.write_text("damaged")
    assert resolved([brain(0)], cache=tmp_path) == judgements[0]


def test_a_scan_that_cannot_be_read_is_the_business_of_who_needs_it() -> None:
    def fail() -> Volume:
        raise InputError("gone", "look for it")

    scan = KnownStudy("scan", "hash", Modality.MR, fail)
    assert resolved([scan])[0] is ComparisonKind.WINDOW


def test_heads_that_cannot_be_stripped_get_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise ConfigurationError("the average brain needs nilearn", "pip install it.")

    monkeypatch.setattr("d24fad_core.masking.study_masks.brain_mask", absent)
    kind, reason = resolved([in_a_head(0), in_a_head(1)])
    assert kind is ComparisonKind.WINDOW
    assert reason.startswith("head-0 cannot be stripped here, since the average brain needs")


def test_a_detector_knows_whether_its_model_is_the_shipped_one() -> None:
    model, card = load_checkpoint()
    assert not Detector(model, card).has_own_model
    scoring = replace(ScoringConfig.from_dict(card.scoring), case_fraction=0.01)
    assert Detector(model, card, scoring=scoring).has_own_model
    assert detector().has_own_model


def test_a_support_says_why_it_was_prepared_so() -> None:
    small = detector()
    support = small.prepare_support([study(0), study(1)])
    assert support.comparison is ComparisonKind.WINDOW
    assert support.comparison_reason is not None
    result = small.detect(study(2), support)
    parameters = result.provenance.parameters
    assert parameters["comparison_reason"] == support.comparison_reason
    named = DetectionOptions(comparison=ComparisonKind.WINDOW)
    support = small.prepare_support([study(0), study(1)], named)
    assert "comparison_reason" not in small.detect(study(2), support).provenance.parameters
