"""A normal is laid on the study as the analysis did, without aligning the study again."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.detection import detector as module
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.support.matched_normal import MatchedNormal
from tests.detection.small_studies import detector, normals, study

OPTIONS = DetectionOptions()
PLACES = [(0.0, 0.0, 0.0), (20.0, -15.0, 10.0), (-30.0, 5.0, -20.0)]


def places(matched: MatchedNormal) -> list[tuple[float, float, float]]:
    return [matched.place_of(place) for place in PLACES]


def test_it_is_the_same_after_the_analysis_as_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    query, (first, second, _) = study(7, lesion=True), normals()
    small = detector()
    support = small.prepare_support(normals(), OPTIONS)
    by_itself = places(small.match(query, second, support, OPTIONS))
    small.detect(query, support, OPTIONS)
    alignments = 0

    def counted(*arguments: object, **choices: object) -> object:
        nonlocal alignments
        alignments += 1
        return original(*arguments, **choices)  # type: ignore[arg-type]

    original = module.align
    monkeypatch.setattr(module, "align", counted)
    assert places(small.match(query, second, support, OPTIONS)) == by_itself
    assert alignments == 0
    # Another study, and other choices, are aligned for themselves.
    other = replace(query, array=np.roll(query.array, 2, 0))
    assert places(small.match(other, second, support, OPTIONS)) != by_itself
    assert (
        places(small.match(query, second, support, DetectionOptions(register=False))) != by_itself
    )
    assert alignments == 2
    assert places(small.match(query, first, support, OPTIONS)) != by_itself
    assert alignments == 2
