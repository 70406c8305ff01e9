import torch
import torch.nn.functional as F

from d24fad_core.comparison.deformation import align_mutually, align_to, deform_to
from d24fad_core.comparison.normal_stack import NormalStack

SHAPE = (40, 44, 36)


def head(ventricle: float, shift: float = 0.0) -> torch.Tensor:
    """Bright tissue around a dark cavity of so many voxels' radius."""
    places = torch.stack(
        torch.meshgrid(*[torch.arange(size) - size / 2.0 for size in SHAPE], indexing="ij")
    )
    places[1] += shift
    distance = places.norm(dim=0)
    tissue = torch.sigmoid(16.0 - distance) * (1.0 - 0.7 * torch.sigmoid(ventricle - distance))
    return tissue * (tissue > 0.01)


def stack(*normals: torch.Tensor) -> NormalStack:
    return NormalStack.in_units(torch.stack(normals))


def differences(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs()[one > 0].mean())


def test_normals_of_other_sizes_and_places_become_alike() -> None:
    normals = stack(head(4.0), head(6.0, 1.5), head(7.0, -1.0))
    aligned = align_mutually(normals)
    spread = normals.intensities.std(0).mean()
    assert aligned.intensities.std(0).mean() < 0.5 * spread
    assert (aligned.unit, len(aligned)) == (normals.unit, 3)


def test_normals_take_the_shape_of_the_study() -> None:
    study = head(7.5, 1.0)
    normals = stack(head(6.0), head(6.5))
    deformed = deform_to(normals, study).intensities
    for before, after in zip(normals.intensities, deformed, strict=True):
        assert differences(study, after) < 0.5 * differences(study, before)


def test_a_lesion_of_the_study_is_not_explained_away() -> None:
    study = head(6.0)
    lesion = torch.zeros(SHAPE)
    lesion[28:31, 20:23, 16:19] = 1.0
    lesion = F.avg_pool3d(lesion[None, None], 3, 1, 1)[0, 0]
    deformed = deform_to(stack(head(6.0), head(6.0)), study - 0.5 * lesion).intensities[0]
    assert (study - deformed)[lesion > 0.5].abs().max() < 0.1


def test_the_outside_stays_empty_and_every_run_is_the_same() -> None:
    normals = stack(head(4.0), head(6.0))
    once, again = align_to(normals, head(7.0)), align_to(normals, head(7.0))
    torch.testing.assert_close(once.intensities, again.intensities, rtol=0.0, atol=0.0)
    assert not once.intensities[:, 0, 0].any()
