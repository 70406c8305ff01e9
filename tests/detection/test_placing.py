from dataclasses import replace

import numpy as np

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.placing import with_places
from d24fad_core.places.place import Side
from d24fad_core.places.region_map import RegionMap
from d24fad_core.simulation.anatomy import sample_anatomy, sample_places
from d24fad_core.simulation.appearance import render
from d24fad_core.simulation.contrast import Contrast
from d24fad_core.volumes.volume import Modality, Volume
from tests.export.analysed_study import analysed

TWO = (((16, 9, 6), 8.0), ((6, 20, 3), 5.0))
# Twice as coarse as the study, on which the map has no voxel beyond its tenth slice.
HALF = np.diag([2.0, 2.0, 3.0, 1.0])


def halves() -> RegionMap:
    labels = np.zeros((12, 14, 12), np.int32)
    labels[:6], labels[6:] = 4, 5
    return RegionMap(labels, HALF, {4: "kidney_left"}, "organs")


def test_findings_are_named_by_a_label_map_on_another_grid() -> None:
    study, result = analysed(lesions=TWO)
    first, second = with_places(result, study, halves()).findings
    assert first.place is not None
    assert second.place is not None
    assert (first.place.region, first.place.side) == ("region 5", None)
    assert (second.place.region, second.place.side) == ("kidney", Side.LEFT)
    assert second.place.shares[0].share == 1.0


def test_a_finding_outside_the_map_has_no_place() -> None:
    study, result = analysed(lesions=TWO)
    away = replace(halves(), affine=HALF + np.array([[0, 0, 0, 500.0], *[[0.0] * 4] * 3]))
    assert [finding.place for finding in with_places(result, study, away).findings] == [None, None]


def test_findings_of_a_brain_are_named() -> None:
    anatomy = sample_anatomy(np.random.default_rng(3), (3.0, 3.0, 3.0))
    signal = render(anatomy, Contrast.T1, np.random.default_rng(4)).astype(np.float32)
    study = Volume(signal, anatomy.affine, Modality.MR, "brain")
    places = sample_places(np.random.default_rng(3), (3.0, 3.0, 3.0)).T.reshape(*study.shape, 3)
    near = np.linalg.norm(places - [-40.0, 40.0, 15.0], axis=-1) < 8.0
    heatmap = np.where(near, np.float32(5.0), np.float32(0.0))
    mask, findings = find_findings(heatmap, 3.0, study.affine, 2, 0.0)
    _, result = analysed()
    result = replace(result, heatmap=heatmap, mask=mask, affine=study.affine, findings=findings)
    (finding,) = with_places(result, study).findings
    assert str(finding.place) == "left frontal lobe"


def test_what_is_no_brain_gets_no_brain_names() -> None:
    study, result = analysed(lesions=TWO)
    assert with_places(result, study) is result


def test_without_findings_nothing_is_done() -> None:
    study, result = analysed(lesions=())
    assert with_places(result, study, halves()) is result
