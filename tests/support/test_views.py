import torch

from d24fad_core.comparison.deformation import align_mutually
from d24fad_core.support.views import view_support
from tests.comparison.test_deformation import differences, head, stack


def test_normals_and_mirror_image_are_brought_to_the_study() -> None:
    study = head(7.5, 1.0)
    normals = stack(head(6.0), head(6.5))
    views = view_support(study, normals, align_mutually(normals))
    torch.testing.assert_close(views.in_place.intensities, normals.intensities)
    for before, after in zip(normals.intensities, views.in_shape.intensities, strict=True):
        assert differences(study, after) < 0.5 * differences(study, before)
    # The phantom is symmetric.
    assert differences(study, views.mirror_in_place) < 0.05
    assert differences(study, views.mirror_in_shape) < 0.03
