"""Each fault of the published protocol, shown on maps made for it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.image_tasks.official import (
    choose_epoch,
    corrected_scores,
    inflation,
    official_scores,
)
from d24fad_core.errors import InputError
from d24fad_core.evaluation.metrics import auroc

SIDE = 24


def noisy_maps(count: int, seed: int = 0, shift: float = 0.0) -> NDArray[np.float64]:
    """Maps of noise whose every second image is lifted by `shift`."""
    maps = np.random.default_rng(seed).normal(0, 1, (count, SIDE, SIDE))
    maps[1::2] += shift
    return maps


def halves(count: int) -> list[int]:
    return [0] * (count // 2) + [1] * (count // 2)


def test_a_corrected_score_is_the_maximum_of_the_image_blurred_by_itself() -> None:
    maps = noisy_maps(3)
    expected = [ndimage.gaussian_filter(image, (4, 4)).max() for image in maps]
    assert corrected_scores(maps) == pytest.approx(expected, abs=0)
    assert corrected_scores(maps[1:2]) == corrected_scores(maps)[1:2]


def test_the_official_blur_lets_normals_beside_abnormals_light_up() -> None:
    """Fault 1: one bright image gives all of its batch a share, and none outside it."""
    maps = np.zeros((32, SIDE, SIDE))
    maps[8] = 1.0
    scores = np.array(official_scores(maps, [0] * 16 + [1] * 16).scores)
    assert (scores[:16] > 0.05).all()
    assert (scores[16:] == 0).all()
    assert np.count_nonzero(corrected_scores(maps)) == 1


def test_sorting_by_label_turns_a_weak_signal_into_a_strong_one() -> None:
    """Fault 1: neighbours of one label are averaged, which noise does not survive."""
    generator = np.random.default_rng(1)
    labels = halves(128)
    image_level = generator.normal(0, 1, 128) + 0.5 * np.array(labels)
    maps = np.tile(image_level[:, None, None], (1, SIDE, SIDE))
    factor = inflation(maps, labels)
    assert factor.corrected < 0.75
    assert factor.official > factor.corrected + 0.15
    assert factor.gap == factor.official - factor.corrected

    shuffled = generator.permutation(128)
    again = inflation(maps[shuffled], [labels[index] for index in shuffled])
    assert again.corrected == factor.corrected
    assert again.official > again.corrected + 0.15


def test_a_signal_that_is_not_there_is_not_invented_by_pure_noise_of_many_batches() -> None:
    factor = inflation(noisy_maps(320, seed=2), halves(320))
    assert abs(factor.corrected - 0.5) < 0.1


def test_the_best_epoch_of_chance_alone_looks_better_than_chance() -> None:
    """Fault 2: seventy epochs of noise, chosen on the test images."""
    generator = np.random.default_rng(0)
    labels = halves(40)
    epochs = [generator.normal(0, 1, 40) for _ in range(70)]
    choice = choose_epoch(labels, epochs)
    reached = [auroc(labels, scores) for scores in epochs]
    assert choice.auroc == max(reached) > 0.65
    assert reached[choice.epoch] == choice.auroc
    assert choice.last_auroc == reached[-1]
    assert abs(np.mean(reached) - 0.5) < 0.05


def test_the_first_of_equal_epochs_is_chosen() -> None:
    assert choose_epoch([0, 1], [[1, 0], [0, 1], [2, 3]]).epoch == 1


def test_the_last_incomplete_batch_is_dropped_and_with_it_abnormal_images() -> None:
    """Fault 3: the missed lesions stand at the end of the list."""
    labels = [0] * 16 + [1] * 20
    maps = np.zeros((36, SIDE, SIDE))
    maps[16:32] = 2.0
    maps[:16] = 1.0
    maps[32:] = 0.0  # abnormal, and not seen
    scores = official_scores(maps, labels)
    assert scores.cases == tuple(range(32))
    assert scores.labels == tuple(labels[:32])
    measured = inflation(maps, labels)
    assert measured.official == 1.0
    assert measured.corrected == measured.blurred_across_images == pytest.approx(0.8)


def test_images_are_sorted_by_label_and_keep_their_order_within() -> None:
    labels = [1, 0, 0, 1, 0, 1]
    scores = official_scores(noisy_maps(6), labels, batch=2)
    assert scores.cases == (1, 2, 4, 0, 3, 5)
    assert scores.labels == (0, 0, 0, 1, 1, 1)


def test_a_score_depends_on_the_rest_of_the_test_set() -> None:
    """Fault 4: the same image, another test set, another score."""
    maps = noisy_maps(32, seed=3)
    before = official_scores(maps, halves(32))
    assert min(before.scores) == 0.0 and max(before.scores) == 1.0
    maps[31] += 50.0
    after = official_scores(maps, halves(32))
    # Images of the first batch share nothing with the last image but the normalisation.
    assert max(after.scores[:16]) < max(before.scores[:16]) / 2


def test_a_single_patient_has_no_official_score() -> None:
    with pytest.raises(InputError, match=r"1 images make no batch of 16.*corrected protocol"):
        official_scores(noisy_maps(1), [1])


def test_equal_maps_have_equal_scores_and_no_division_by_zero() -> None:
    assert set(official_scores(np.ones((16, SIDE, SIDE)), halves(16)).scores) == {0.0}


@pytest.mark.parametrize(
    ("maps", "labels", "words"),
    [
        (np.zeros((4, 4)), [0, 1, 0, 1], r"shape \(4, 4\) are no stack"),
        (np.zeros((4, 4, 4)), [0, 1], "2 labels for 4 maps"),
    ],
)
def test_input_that_does_not_fit_is_named(
    maps: NDArray[np.float64], labels: list[int], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        official_scores(maps, labels)


def test_no_epoch_is_refused() -> None:
    with pytest.raises(InputError, match="no epoch was scored"):
        choose_epoch([0, 1], [])
