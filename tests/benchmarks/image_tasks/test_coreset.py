import itertools

import pytest
import torch

from benchmarks.image_tasks.coreset import Coreset, CoresetConfig
from d24fad_core.comparison.features import SliceFeatures


def image(seed: int) -> SliceFeatures:
    generator = torch.Generator().manual_seed(seed)
    shapes = {0: (4, 32, 32), 1: (6, 16, 16), 2: (10, 8, 8)}
    teacher = {
        scale: torch.randn(1, *shape, generator=generator).half() for scale, shape in shapes.items()
    }
    return SliceFeatures(teacher, {})


def test_with_all_patches_kept_a_support_image_is_at_no_distance() -> None:
    support = [image(0), image(1)]
    coreset = Coreset(support, CoresetConfig(share=1.0))
    distances = coreset.distances(support[1])
    assert distances.shape == (16, 16)
    assert float(distances.max()) < 1e-3
    assert float(coreset.distances(image(2)).min()) > 0.1


def test_distance_grows_where_an_image_differs_and_nowhere_else() -> None:
    normal = image(0)
    coreset = Coreset([normal], CoresetConfig(share=1.0))
    changed = {scale: values.clone() for scale, values in normal.teacher.items()}
    changed[1][:, :, 4, 4] += 50.0
    distances = coreset.distances(SliceFeatures(changed, {}))
    far = (distances > 1.0).nonzero().tolist()
    # 3x3 averaging carries it to the neighbours.
    assert far == [[row, column] for row in (3, 4, 5) for column in (3, 4, 5)]


def test_a_larger_coreset_leaves_nothing_farther_away() -> None:
    support, query = [image(0), image(1)], image(2)
    shares = (0.05, 0.25, 1.0)
    distances = [Coreset(support, CoresetConfig(share=share)).distances(query) for share in shares]
    for small, large in itertools.pairwise(distances):
        assert bool((large <= small + 1e-4).all())
        assert float(large.mean()) < float(small.mean())


def test_greedy_choice_covers_the_support_better_than_chance() -> None:
    """Every patch of the support is near its coreset: that is what k-centre selection is for."""
    generator = torch.Generator().manual_seed(0)
    # Nine in ten patches are alike; a random tenth would miss most of the rest.
    fine = torch.randn(1, 6, 16, 16, generator=generator) * 0.01
    rare = torch.randperm(256, generator=generator)[:25]
    fine.view(6, 256)[:, rare] += torch.randn(6, 25, generator=generator) * 10
    support = SliceFeatures({1: fine.half(), 2: torch.zeros(1, 10, 8, 8).half()}, {})
    farthest = Coreset([support], CoresetConfig(share=0.25)).distances(support).max()
    everything = Coreset([support], CoresetConfig(share=1 / 256)).distances(support).max()
    assert float(farthest) < 0.2 * float(everything)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_chooses_the_same_patches(seed: int) -> None:
    config = CoresetConfig(share=0.1, seed=seed)
    first, again = (Coreset([image(0)], config).distances(image(1)) for _ in range(2))
    assert torch.equal(first, again)
