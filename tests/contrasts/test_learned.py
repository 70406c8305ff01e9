"""Contrasts by the learned comparison, with the shipped decoder on coarse simulated heads."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.contrasts.detection import ContrastDetector
from d24fad_core.contrasts.person import Person
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.volumes.volume import Volume

pytestmark = pytest.mark.slow

HEADS = SimulationOptions(spacing=(6.0, 6.0, 6.0), seed=12)
OPTIONS = DetectionOptions(comparison=ComparisonKind.LEARNED)
NAMES = ("flair", "t1")


def scans(role: Role, number: int) -> dict[str, Volume]:
    return {
        name: simulate_subject(replace(HEADS, contrast=contrast), role, number).image
        for name, contrast in zip(NAMES, (Contrast.FLAIR, Contrast.T1), strict=True)
    }


def test_a_lesion_stands_out_in_the_fused_map() -> None:
    normals = [Person(f"support-{n}", scans(Role.SUPPORT, n)) for n in range(2)]
    together = ContrastDetector(Detector.from_checkpoint())
    support = together.prepare_support(normals, NAMES, OPTIONS)
    assert len(support.scale.case_scores) == 2
    result = together.detect(scans(Role.LESION, 0), support, OPTIONS)
    lesion = simulate_subject(HEADS, Role.LESION, 0).mask
    assert lesion is not None
    inside = result.heatmap != 0
    where = (lesion > 0) & inside
    assert result.heatmap[where].mean() > np.percentile(result.heatmap[inside], 95)
