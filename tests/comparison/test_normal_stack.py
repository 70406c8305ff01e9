import numpy as np
import pytest
import torch

from d24fad_core.comparison.normal_stack import BRIGHTEST, place_study, stack_normals
from d24fad_core.errors import InputError
from d24fad_core.volumes.volume import Modality, Volume

SHAPE = (24, 26, 22)


def head(seed: int, gain: float = 100.0, modality: Modality = Modality.MR) -> Volume:
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in SHAPE], indexing="ij"))
    radius = np.linalg.norm(places, axis=0)
    values = np.where(radius < 0.8, 0.6 + 0.3 * np.sin(7 * places).prod(0), 0.0)
    values += rng.normal(0, 0.01, SHAPE) * (radius < 0.8)
    return Volume((values * gain).astype(np.float32), np.eye(4), modality, f"head-{seed}")


@pytest.mark.parametrize("gain", [0.02, 1.0, 3000.0])
def test_the_unit_of_a_scan_does_not_matter(gain: float) -> None:
    normals = stack_normals([place_study(head(seed, 50.0 + seed), "body") for seed in range(3)])
    first = normals.fitted(place_study(head(7, 10.0), "body"))
    again = normals.fitted(place_study(head(7, 10.0 * gain), "body"))
    torch.testing.assert_close(first, again, atol=1e-4, rtol=1e-3)
    assert float(first.max()) <= BRIGHTEST
    assert 0.9 < float(normals.intensities.max()) < 1.2


def test_a_large_bright_lesion_leaves_healthy_tissue_as_it_is() -> None:
    normals = stack_normals([place_study(head(seed), "body") for seed in range(4)])
    healthy = head(9)
    ill = Volume(healthy.array.copy(), healthy.affine, healthy.modality, "ill")
    ill.array[6:14, 6:16, 6:14] = 400.0
    outside = torch.ones(SHAPE, dtype=torch.bool)
    outside[6:14, 6:16, 6:14] = False
    plain = normals.fitted(place_study(healthy, "body"))
    seen = normals.fitted(place_study(ill, "body"))
    assert float((plain - seen)[outside].abs().max()) < 0.02
    assert float(seen[8:12, 8:14, 8:12].min()) == pytest.approx(BRIGHTEST)


def test_dark_places_inside_are_inside_and_the_background_is_not() -> None:
    volume = head(3)
    volume.array[10:13, 11:14, 9:12] = 0.0
    placed = place_study(volume, "body")
    assert placed.inside[10:13, 11:14, 9:12].all()
    assert not placed.inside[0].any()
    assert not placed.intensities[~placed.inside].any()


def test_leaving_one_out_keeps_the_units() -> None:
    normals = stack_normals([place_study(head(seed), "body") for seed in range(3)])
    others = normals.without(1)
    assert len(others) == 2
    torch.testing.assert_close(others.intensities[1], normals.intensities[2])
    assert others.unit == normals.unit


def test_an_empty_scan_is_refused() -> None:
    with pytest.raises(InputError, match=r"nothing: no foreground found \(values 5 to 5\)"):
        place_study(Volume(np.full(SHAPE, 5.0, np.float32), np.eye(4), Modality.MR, "nothing"), "")


def test_ct_is_seen_in_its_window() -> None:
    volume = head(0, 1000.0, Modality.CT)
    volume.array[...] -= 1000.0
    placed = place_study(volume, "body")
    assert placed.inside.any()
    assert float(placed.intensities.min()) >= 0.0
