"""The measurement of the reasons of findings, on simulated heads in very coarse voxels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.evidence import (
    Lesion,
    draw_people,
    measure_copies,
    measure_untouched,
    plant,
)
from benchmarks.evidence_figures import (
    SHOTS,
    Measured,
    Planting,
    Untouched,
    draw_picture,
    load,
    report,
    save,
    shares,
)
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.support.frame import align
from d24fad_core.volumes.volume import Volume
from tests.detection.small_studies import detector

HEADS = SimulationOptions(contrast=Contrast.T1, spacing=(6.0, 6.0, 6.0))


@pytest.fixture(scope="module")
def heads() -> list[Volume]:
    return [simulate_subject(HEADS, Role.SUPPORT, number).image for number in range(SHOTS + 1)]


@pytest.mark.slow
def test_the_carrier_of_a_lesion_is_named_and_untouched_people_get_p_values(
    heads: list[Volume],
) -> None:
    small = detector()
    normals, held_out = draw_people(heads, 0)
    assert {head.name for head in (*normals, *held_out)} == {head.name for head in heads}
    options = DetectionOptions()
    support = small.prepare_support(normals, options)
    plantings = tuple(measure_copies(small, normals, support, held_out, 0, options))
    assert sorted(each.carrier for each in plantings) == sorted(head.name for head in normals)
    assert Measured((), plantings).carriers_named == len(plantings)
    (untouched,) = measure_untouched(small, support, held_out, 0, options)
    assert untouched.smallest is None or 0.2 <= untouched.smallest <= 1.0


def test_a_lesion_lies_where_the_frame_says(heads: list[Volume]) -> None:
    support = detector().prepare_support(heads[:2])
    aligned = align(heads[2], support.frame, "body", register=True)
    centre = np.array(support.frame.affine[:3, :3] @ support.frame.centre)
    centre += support.frame.affine[:3, 3]
    planted, labels = plant(heads[2], aligned, [Lesion(centre, 14.0, 0)])
    darker = planted.array < heads[2].array
    assert set(np.unique(labels)) == {0, 1}
    assert (planted.array[labels == 1] < 0.75 * heads[2].array[labels == 1]).all()
    back = np.argwhere(darker).mean(axis=0) @ heads[2].affine[:3, :3].T + heads[2].affine[:3, 3]
    there = np.array(aligned.to_study.TransformPoint((centre * [-1, -1, 1]).tolist()))
    assert np.linalg.norm(back - there * [-1, -1, 1]) < 6.0
    volume_ml = (labels == 1).sum() * 0.6**3
    assert volume_ml == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.35)


def test_people_with_a_finding_at_each_level_are_counted(tmp_path: Path) -> None:
    person = Untouched(0, "p", 0.2)
    smallest = (0.2, 0.4, 0.4, None, None, 1.0, None, None, None, None)
    people = [replace(person, smallest=value) for value in smallest]
    rows = shares(people)
    assert [row[0] for row in rows] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [row[1] for row in rows] == pytest.approx([0.1, 0.3, 0.3, 0.3])
    assert all(low <= share <= high for _, share, low, high in rows)

    plantings = (
        Planting(0, "p", "a", "a"),
        Planting(0, "p", "b", "a"),
        Planting(0, "p", "b", None),
    )
    measured = Measured(tuple(people), plantings)
    assert measured.carriers_named == 1
    assert "carrier named: 1 of 3" in report(measured)
    draw_picture(measured, tmp_path / "evidence.png")
    with Image.open(tmp_path / "evidence.png") as picture:
        assert picture.width > 500


def test_a_second_run_goes_on_behind_the_last_draw(tmp_path: Path) -> None:
    assert load(tmp_path) == Measured() and Measured().draws == 0
    first = Measured().and_draw([Untouched(0, "p", 0.2)], [Planting(0, "p", "a", "a")])
    both = first.and_draw([Untouched(1, "q", None)], [Planting(1, "q", "b", None)])
    save(both, tmp_path)
    assert load(tmp_path) == both and both.draws == 2
