from dataclasses import replace

import nibabel
import numpy as np
import pytest

from benchmarks.place_map import derive_labels, derive_tissues
from benchmarks.places import NamedLesion, confusions, measure, simulated_head, summarise
from benchmarks.places_reference import mni_places, register_deformably
from d24fad_core.places.atlas import LABELS_FILE, TISSUES_FILE, brain_atlas
from d24fad_core.places.brain import labels_at
from d24fad_core.simulation.template import average_brain

COARSE = (3.0, 3.0, 3.0)
RIGHT = NamedLesion(5.0, "left", "insula", "left", "insula", True, 1.0)


def test_lesions_of_a_simulated_head_are_named() -> None:
    lesions = measure(simulated_head(0, COARSE), 8, 0)
    assert len(lesions) == 8
    summary = summarise(lesions)
    assert summary["side right"] == 1.0
    assert summary["region right"] >= 0.75


def test_wrong_names_are_counted() -> None:
    lesions = [
        RIGHT,
        replace(RIGHT, named_side="right"),
        replace(RIGHT, named_region="frontal lobe", share=0.3),
        replace(RIGHT, named_region=None, named_side=None, certain=False, share=0.0),
        replace(RIGHT, side=None, named_side="both"),
    ]
    summary = summarise(lesions)
    assert summary["region right"] == pytest.approx(0.6)
    assert (summary["on one side"], summary["side right"]) == (4, 0.5)
    assert summary["opposite side named"] == 1
    assert summary["named region holds a fifth"] == pytest.approx(0.8)
    assert (summary["without a name"], summary["uncertain"]) == (1, 1)
    row = next(line for line in confusions(lesions).splitlines() if line.startswith("| insula"))
    assert [cell.strip() for cell in row.split("|")[2:7]] == ["1", "", "", "", "3"]


@pytest.mark.slow
def test_the_reference_finds_the_known_places_of_a_simulated_head() -> None:
    head = simulated_head(3, COARSE)  # T1
    voxels = np.argwhere(head.brain)[::50]
    places = voxels @ head.study.affine[:3, :3].T + head.study.affine[:3, 3]
    registered = mni_places(register_deformably(head.study), places)
    truth = head.places(voxels)
    assert np.median(np.linalg.norm(registered - truth, axis=1)) < 3.0
    assert np.mean(labels_at(registered, brain_atlas()) == labels_at(truth, brain_atlas())) > 0.9


def test_the_shipped_maps_are_those_of_the_script() -> None:
    template = average_brain()
    for file, (array, affine) in (
        (LABELS_FILE, derive_labels(template)),
        (TISSUES_FILE, derive_tissues(template)),
    ):
        shipped = nibabel.load(file)
        labels = np.asarray(shipped.dataobj)
        # Ties at the rules' edges may fall otherwise on another processor.
        assert np.mean(labels == array) > 0.999
        np.testing.assert_allclose(shipped.affine, affine)
