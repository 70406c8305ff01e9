"""Episodes of numbered pictures: every pixel of picture n is n, so that each can be recognised."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.errors import InputError
from d24fad_core.training.episodes import Episode, EpisodeStream, ImageEpisodes, VolumeEpisodes
from d24fad_core.volumes.volume import Plane, Volume
from tests.support.phantom import Grid, scan, turned

SIDE = 4


def numbered(count: int, first: int = 0) -> ImageEpisodes:
    numbers = torch.arange(first, first + count, dtype=torch.uint8)
    return ImageEpisodes(f"from {first}", numbers.view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE))


def numbers(images: torch.Tensor) -> np.ndarray:
    """The numbers of pictures, (...,) for (..., C, N, N)."""
    values = (images * 255).round().long()
    assert torch.equal(values, values[..., :1, :1, :1].expand_as(values)), "pictures are mixed"
    return values[..., 0, 0, 0].numpy()


def draw(source: ImageEpisodes | VolumeEpisodes, seed: int, *sizes: int, shared: bool) -> Episode:
    return source.draw(np.random.default_rng(seed), *sizes, shared=shared)


@given(
    queries=st.integers(1, 6),
    shots=st.integers(1, 5),
    spare=st.integers(0, 12),
    shared=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_image_is_query_and_support_at_once(
    queries: int, shots: int, spare: int, shared: bool, seed: int
) -> None:
    count = queries + shots + spare
    episode = draw(numbered(count), seed, queries, shots, shared=shared)
    groups = 1 if shared else queries
    assert episode.query.shape == (queries, 3, SIDE, SIDE)
    assert episode.support.shape == (shots, groups, 3, SIDE, SIDE)
    query, support = numbers(episode.query), numbers(episode.support)
    assert set(query) | set(support.ravel()) <= set(range(count))
    assert not set(query) & set(support.ravel())
    assert len(set(query)) == queries
    for group in range(groups):
        assert len(set(support[:, group])) == shots


def test_each_query_has_supports_of_its_own_where_the_images_suffice() -> None:
    support = numbers(draw(numbered(20), 0, 4, 4, shared=False).support)
    assert len(set(support.ravel())) == support.size == 16


@pytest.mark.parametrize("shared", [True, False])
def test_a_task_with_too_few_images_is_refused(shared: bool) -> None:
    with pytest.raises(InputError, match=r"'from 0' has 5 .* 4 queries and 2 supports need 6"):
        draw(numbered(5), 0, 4, 2, shared=shared)


def stream(seed: int, epoch: int = 0, shared: bool = True) -> list[np.ndarray]:
    """Which images a whole epoch draws."""
    episodes = EpisodeStream(
        [numbered(12), numbered(12, 100)], queries=3, shots=2, steps=6, shared=shared, seed=seed
    )
    episodes.epoch = epoch
    assert len(episodes) == 6
    return [
        np.concatenate([numbers(episode.query), numbers(episode.support).ravel()])
        for episode in episodes
    ]


@pytest.mark.parametrize("shared", [True, False])
def test_an_epoch_depends_on_seed_and_number_alone(shared: bool) -> None:
    first = stream(3, 1, shared)
    np.testing.assert_array_equal(first, stream(3, 1, shared))
    assert not np.array_equal(first, stream(4, 1, shared))
    assert not np.array_equal(first, stream(3, 2, shared))
    assert len({tuple(step) for step in first}) == len(first)


def test_tasks_are_drawn_evenly_and_never_mixed() -> None:
    sources = [numbered(12), numbered(6, 100), numbered(30, 200)]
    episodes = EpisodeStream(sources, queries=2, shots=2, steps=300, shared=True, seed=0)
    drawn = Counter()
    for episode in episodes:
        both = [*numbers(episode.query), *numbers(episode.support).ravel()]
        (task,) = {number // 100 for number in both}
        drawn[task] += 1
    assert sorted(drawn) == [0, 1, 2]
    assert min(drawn.values()) > 70


def sides(images: torch.Tensor) -> set[str]:
    """Which side of pictures, (..., C, N, N), is bright."""
    left, right = images[..., 0], images[..., -1]
    bright = set()
    if bool((left < right).all()):
        bright.add("right")
    if bool((left > right).all()):
        bright.add("left")
    return bright


def right_bright(kind: str) -> ImageEpisodes | VolumeEpisodes:
    """A task whose pictures are all bright on the right."""
    ramp = torch.arange(SIDE) / (SIDE - 1)
    if kind == "images":
        pictures = (ramp * 255).to(torch.uint8).expand(12, 3, SIDE, SIDE)
        return ImageEpisodes("ramps", pictures)
    return VolumeEpisodes("ramps", [ramp.expand(SLICES, SIDE, SIDE)] * 6)


@pytest.mark.parametrize("kind", ["images", "volumes"])
def test_every_other_episode_is_mirrored_query_and_support_alike(kind: str) -> None:
    def drawn(flip: bool) -> list[str]:
        episodes = EpisodeStream(
            [right_bright(kind)],
            queries=3,
            shots=2,
            steps=100,
            shared=True,
            seed=0,
            horizontal_flip=flip,
        )
        both = [sides(episode.query) & sides(episode.support) for episode in episodes]
        return [next(iter(side), "mixed") for side in both]

    assert set(drawn(False)) == {"right"}
    counts = Counter(drawn(True))
    assert set(counts) == {"left", "right"}
    assert min(counts.values()) > 30


SLICES = 20


def volumes(studies: int) -> VolumeEpisodes:
    """Slices that hold 20 times the study's number plus their own."""
    stacks = [
        torch.arange(SLICES).add(SLICES * study).view(-1, 1, 1).expand(-1, SIDE, SIDE) / 255
        for study in range(studies)
    ]
    return VolumeEpisodes("volumes", stacks)


@given(
    studies=st.integers(2, 12),
    queries=st.integers(1, 8),
    shots=st.integers(1, 12),
    shared=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_query_and_support_volumes_are_of_other_patients_at_one_place(
    studies: int, queries: int, shots: int, shared: bool, seed: int
) -> None:
    episode = draw(volumes(studies), seed, queries, shots, shared=shared)
    used = min(shots, studies - 1)
    assert episode.query.shape == (queries, 1, SIDE, SIDE)
    assert episode.support.shape == (used, 1 if shared else queries, 1, SIDE, SIDE)
    query, support = numbers(episode.query), numbers(episode.support)
    assert not set(query // SLICES) & set(support.ravel() // SLICES)
    assert len(set(support[:, 0] // SLICES)) == used
    (place,) = set(support.ravel() % SLICES)
    assert np.abs(query % SLICES - place).max() <= 1


def test_all_studies_and_places_come_up() -> None:
    source = volumes(4)
    drawn = [draw(source, seed, 1, 2, shared=True) for seed in range(300)]
    assert {int(n) // SLICES for e in drawn for n in numbers(e.query)} == set(range(4))
    assert {int(n) % SLICES for e in drawn for n in numbers(e.support).ravel()} == set(
        range(SLICES)
    )


def lying(degrees: float) -> Volume:
    """A scan of a patient who lies turned in the scanner."""
    turn = np.eye(4)
    turn[:3, :3] = turned(degrees, (1.0, -2.0, 0.7))
    study = scan(Grid(spacing=(4.0, 4.0, 4.0), directions=turn[:3, :3]))
    return replace(study, affine=turn.T @ study.affine)


def test_volumes_are_cut_at_the_same_places_however_the_patients_lay() -> None:
    studies = [lying(degrees) for degrees in (0, 30, -30)]
    source = VolumeEpisodes.from_studies("phantoms", studies, Plane.AXIAL, 64, "body")
    alike = []
    for seed in range(40):
        episode = draw(source, seed, 1, 2, shared=True)
        query = episode.query[0, 0]
        inside = query > 0.1
        if inside.sum() > 500:
            pairs = [torch.stack([query[inside], one[0, 0][inside]]) for one in episode.support]
            alike.extend(float(torch.corrcoef(pair)[0, 1]) for pair in pairs)
    assert len(alike) > 20
    assert np.median(alike) > 0.85


def test_two_volumes_are_too_few_to_train_on() -> None:
    studies = [scan(Grid(spacing=(8.0, 8.0, 8.0))) for _ in range(2)]
    with pytest.raises(InputError, match=r"'brains' has 2 volumes; .* at least 3"):
        VolumeEpisodes.from_studies("brains", studies, Plane.AXIAL, 32, "body")
