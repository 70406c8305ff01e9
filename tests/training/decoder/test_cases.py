from pathlib import Path

import numpy as np
import torch

from d24fad_core.training.decoder.cases import CasePool, draw_case
from d24fad_core.training.decoder.people import TeachingData
from tests.training.decoder.test_episodes import SHAPE, group_of


def test_a_kept_case_is_the_one_that_was_made(tmp_path: Path) -> None:
    data = TeachingData((group_of(range(7)),), (), {})
    first = CasePool(data, 1, 3, tmp_path, in_shape=True).case(2)
    (file,) = tmp_path.iterdir()
    again = CasePool(data, 1, 3, tmp_path, in_shape=True).case(2)
    torch.testing.assert_close(again.normals, first.normals, rtol=0.0, atol=0.0)
    file.write_bytes(file.read_bytes()[:200])
    mended = CasePool(data, 1, 3, tmp_path, in_shape=True).case(2)
    torch.testing.assert_close(mended.query, first.query, rtol=0.0, atol=0.0)
    assert not torch.equal(
        CasePool(data, 2, 3, tmp_path / "other", in_shape=True).case(2).query, first.query
    )


def test_anomalies_lie_inside_and_the_normals_have_none() -> None:
    group = group_of(range(7))
    planted = 0
    for seed in range(12):
        case = draw_case(np.random.default_rng(seed), group, (), in_shape=True)
        assert case.query.shape == case.abnormal.shape == SHAPE
        assert not case.abnormal[~case.inside].any()
        assert not case.query[~case.inside].any()
        assert 2 <= len(case.normals) <= 5
        change = (case.query - case.normals.mean(0)).abs()
        if int(case.abnormal.sum()) > 50:
            planted += 1
            assert change[case.abnormal].mean() > change[case.inside & ~case.abnormal].mean()
    assert planted > 3


def test_normals_are_where_they_were_or_in_the_persons_shape() -> None:
    group = group_of(range(7))
    for seed in range(4):
        place = draw_case(np.random.default_rng(seed), group, (), in_shape=False)
        shape = draw_case(np.random.default_rng(seed), group, (), in_shape=True)
        torch.testing.assert_close(place.query, shape.query, rtol=0.0, atol=0.0)
        for normal, deformed in zip(place.normals, shape.normals, strict=True):
            assert any(torch.equal(normal, each) for each in group.intensities)
            assert not torch.equal(normal, deformed)
