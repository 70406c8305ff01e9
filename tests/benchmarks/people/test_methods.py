from dataclasses import replace

import numpy as np
import pytest

from benchmarks.people.cohorts import Study
from benchmarks.people.methods import DetectorMethod, StatisticsMethod, make_method, method_name
from benchmarks.people.voxel_statistics import Brightness, VoxelwiseZ
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import ConfigurationError
from tests.benchmarks.people.small_people import person
from tests.detection.small_studies import detector


def _with_ball(study: Study, value: float) -> tuple[Study, np.ndarray]:
    """A study with a ball of a value, in units of the brain's median, deep in the brain."""
    indices = np.stack(np.meshgrid(*map(np.arange, study.brain.shape), indexing="ij"), -1)
    centre = np.array(study.brain.shape) / 2 + [6, 3, 3]
    ball = np.linalg.norm(indices - centre, axis=-1) < 3
    median = np.median(study.volume.array[study.brain])
    array = np.where(ball, value * median, study.volume.array).astype(np.float32)
    return replace(study, volume=replace(study.volume, array=array)), ball


def test_brightness_on_t1_is_a_distance_and_on_flair_the_value() -> None:
    dark, ball = _with_ball(person(0), 0.1)
    heatmap = Brightness().heatmap(dark, ())
    assert heatmap[ball].mean() > 2 * heatmap[dark.brain & ~ball].mean()
    flair = Brightness().heatmap(replace(dark, bright=True), ())
    assert flair[ball].mean() < 0.6 * flair[dark.brain & ~ball].mean()
    assert (heatmap[~dark.brain] == 0).all()


def test_brightness_does_not_see_what_lies_outside_the_brain() -> None:
    study = person(0)
    head = np.where(study.brain, study.volume.array, 1e4).astype(np.float32)
    with_head = replace(study, volume=replace(study.volume, array=head))
    inner = np.zeros_like(study.brain)
    middle = tuple(length // 2 for length in study.brain.shape)
    inner[middle] = True
    one, other = (Brightness().heatmap(each, ())[inner] for each in (study, with_head))
    assert one == pytest.approx(other)


@pytest.mark.parametrize("value", [0.3, 1.8])
def test_z_finds_what_the_normals_lack(value: float) -> None:
    normals = [person(number) for number in (1, 2, 3)]
    case, ball = _with_ball(person(0), value)
    method = StatisticsMethod("z", VoxelwiseZ())
    score = method.score(case, normals)
    assert score.heatmap[ball].mean() > 3 * score.heatmap[case.brain & ~ball].mean()
    assert score.case_score > method.score(person(0), normals).case_score
    assert (score.heatmap[~case.brain] == 0).all()


def test_z_on_flair_looks_for_bright_alone() -> None:
    normals = [replace(person(number), bright=True) for number in (1, 2, 3)]
    dark, ball = _with_ball(replace(person(0), bright=True), 0.3)
    heatmap = VoxelwiseZ().heatmap(dark, normals)
    assert heatmap[ball].max() < 0.5 * heatmap.max()


def test_z_of_two_normals_has_a_threshold() -> None:
    threshold = VoxelwiseZ().threshold([person(1), person(2)])
    assert np.isfinite(threshold)
    assert threshold > 0


def test_the_detector_is_asked_with_the_studies_as_they_are() -> None:
    normals = [person(number) for number in (1, 2)]
    options = DetectionOptions()
    small = detector()
    method = DetectorMethod("small", small, options)
    score = method.score(person(0), normals)
    support = small.prepare_support([study.volume for study in normals], options)
    result = small.detect(person(0).volume, support, options)
    assert (score.heatmap == result.heatmap).all()
    assert score.case_score == result.case_score
    # Other normals are another support.
    other = method.score(person(0), [person(number) for number in (3, 4)])
    assert (other.heatmap != score.heatmap).any()


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no method 'brightnes'"):
        make_method("brightnes")


def test_a_checkpoint_is_called_by_its_folder() -> None:
    assert method_name("checkpoint:/runs/new-student") == "new-student"
    assert method_name("default") == "default"
