"""Caches are keyed by a schema number a kind: who changes an algorithm raises its number.

The output of each algorithm is kept in `golden_outputs.json`, rounded far beyond what processors
differ by. After a change that is meant: raise the number, then write the file anew with

    D24FAD_WRITE_GOLDEN=1 pytest tests/test_schemas.py
"""

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import ArrayLike

from d24fad_core.comparison.features import FEATURES_SCHEMA, StudyFeatures, encode_study
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import RESULT_SCHEMA
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.reference import REFERENCE_SCHEMA
from d24fad_core.io.reading import READING_SCHEMA, read_volume
from d24fad_core.networks.inference import for_inference
from d24fad_core.support.frame import FRAME_SCHEMA, Frame, align, make_frame
from d24fad_core.support.profile import PROFILE_SCHEMA
from d24fad_core.volumes.slices import slice_volume
from d24fad_core.volumes.volume import Plane
from tests.detection.small_studies import EVERY_MAP, IMAGE_SIZE, detector, network, normals, study

GOLDEN = Path(__file__).with_name("golden_outputs.json")
BOXES = DetectionOptions(register=False, planes=(Plane.AXIAL, Plane.SAGITTAL))

Values = dict[str, str | list[float]]


def check(kind: str, schema: int, values: Values) -> None:
    """Compare an output with the golden one of its schema number."""
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    kept = golden.get(kind, {"schema": 0, "values": {}})
    same = agrees(values, kept["values"])
    if schema == kept["schema"]:
        assert same, f"{kind} gives another output: raise its schema number."
    elif os.environ.get("D24FAD_WRITE_GOLDEN"):
        golden[kind] = {"schema": schema, "values": values}
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    else:
        pytest.fail(f"the schema number of {kind} is {schema}: write its golden output anew.")


def agrees(values: Values, golden: Values) -> bool:
    """Whether texts are equal and numbers nearly so."""
    if values.keys() != golden.keys():
        return False
    return all(
        value == golden[name]
        if isinstance(value, str)
        else np.allclose(value, golden[name], rtol=0.01, atol=0.005)  # type: ignore[arg-type]
        for name, value in values.items()
    )


def spread(values: ArrayLike, fractions: Sequence[float] = (0, 0.1, 0.5, 0.9, 1)) -> list[float]:
    """Some quantiles, mean and deviation."""
    array = np.asarray(values, dtype=np.float64)
    numbers = [*np.quantile(array, fractions), array.mean(), array.std()]
    return [round(float(number), 4) for number in numbers]


@cache
def frame() -> Frame:
    return make_frame(study(0), IMAGE_SIZE, "body")


@cache
def features() -> StudyFeatures:
    aligned = align(study(1), frame(), "body", register=False)
    stack = slice_volume(aligned.volume, Plane.CORONAL, IMAGE_SIZE, "body")
    return encode_study(for_inference(network(), None), stack, 1.0, EVERY_MAP.keys)


def test_reading(tmp_path: Path) -> None:
    """A hash: reading is arithmetic that processors do alike."""
    stored = np.arange(8 * 9 * 10, dtype=np.int16).reshape(8, 9, 10)
    image = nib.Nifti1Image(stored, np.diag([-2.0, 1.5, 3.0, 1.0]))
    image.header.set_slope_inter(2.0, -1000.0)
    nib.save(image, tmp_path / "a.nii.gz")
    other = sitk.GetImageFromArray(stored)
    other.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(other, tmp_path / "b.nrrd")
    volumes = {path.name: read_volume(path) for path in tmp_path.iterdir()}
    values: Values = {name: volume.content_hash for name, volume in volumes.items()}
    check("reading", READING_SCHEMA, values)


def test_frame() -> None:
    made = frame()
    values: Values = {
        "shape": [float(length) for length in made.shape],
        "affine": made.affine.round(4).ravel().tolist(),
        "size": made.size.round(4).tolist(),
        "coarse": spread(sitk.GetArrayFromImage(made.coarse)),
    }
    check("frame", FRAME_SCHEMA, values)


def test_profile() -> None:
    profile = align(study(1), frame(), "body", register=True).profile
    values: Values = {
        "spacing": list(profile.spacing_mm),
        "extent": list(profile.extent_mm),
        "similarity": [round(profile.similarity, 3)],
        "picture": spread(profile.picture),
    }
    check("profile", PROFILE_SCHEMA, values)


def test_features() -> None:
    encoded = features()
    values: Values = {"foreground": [float(encoded.foreground.float().mean())]}
    for name in ("teacher", "student"):
        for scale, part in getattr(encoded.slices, name).items():
            values[f"{name} {scale}"] = spread(part.float().numpy())
            middle = part[len(part) // 2, :5, part.shape[2] // 2, part.shape[3] // 2]
            values[f"{name} {scale}, middle"] = [round(float(value), 3) for value in middle]
    check("features", FEATURES_SCHEMA, values)


@pytest.mark.parametrize("translate", [False, True], ids=["plain", "translated"])
def test_references_and_results(translate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which precision is fast depends on the processor.
    monkeypatch.setattr("d24fad_core.detection.detector.fast_embedding_precision", lambda: None)
    options = DetectionOptions(
        register=False,
        planes=BOXES.planes,
        comparison=ComparisonKind.TRANSLATED if translate else ComparisonKind.WINDOW,
    )
    small = detector()
    support = small.prepare_support(normals(), options)
    of_references: Values = {}
    for reference in support.references:
        plane = reference.plane.value
        of_references[f"{plane} scale"] = [round(reference.centre, 4), round(reference.spread, 4)]
        of_references[f"{plane} units"] = [
            round(unit, 5) for unit in reference.statistics.unit.values()
        ]
        for number, maps in enumerate(reference.held_out):
            of_references[f"{plane} held out {number}"] = spread(maps.float().numpy())
    result = small.detect(study(7, lesion=True), support, options)
    of_result: Values = {
        "heatmap": spread(result.heatmap),
        "slices": spread(result.slice_scores),
        "case": [result.case_score],
        "threshold": [result.calibration.threshold],
        "normals": list(result.calibration.normal_case_scores),
        "peak": list(result.findings[0].peak_ras_mm),
        "shares": [use.share for use in result.provenance.supports],
    }
    kind = " of translated normals" if translate else ""
    check(f"reference{kind}", REFERENCE_SCHEMA, of_references)
    check(f"result{kind}", RESULT_SCHEMA, of_result)


def test_another_output_under_the_same_number_is_noticed() -> None:
    """As when somebody changes an algorithm and forgets its number."""
    for kept in json.loads(GOLDEN.read_text()).values():
        values = kept["values"]
        assert agrees(values, values)
        for name, value in values.items():
            changed = "0" * 64 if isinstance(value, str) else [1.03 * v + 0.02 for v in value]
            assert not agrees({**values, name: changed}, values), name
