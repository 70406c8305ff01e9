"""Caches are keyed by a schema number a kind: who changes an algorithm raises its number.

The output of each algorithm is kept in `golden_outputs.json`, rounded far beyond what processors
differ by. After a change that is meant: raise the number, then write the file anew with

    D24FAD_WRITE_GOLDEN=1 pytest tests/test_schemas.py
"""

import ast
import json
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from numpy.typing import ArrayLike, NDArray

import d24fad_core
from d24fad_core.comparison.deformation import align_mutually
from d24fad_core.comparison.features import FEATURES_SCHEMA, StudyFeatures, encode_study
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.normal_stack import place_study, stack_normals
from d24fad_core.comparison.support_decoding import DECODING_SCHEMA
from d24fad_core.contrasts.detection import FUSION_SCHEMA, ContrastDetector
from d24fad_core.detection.automatic_comparison import CHOICE_SCHEMA, AutomaticComparison
from d24fad_core.detection.detector import RESULT_SCHEMA, Detector
from d24fad_core.detection.learned_comparison import SCALE_SCHEMA
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.reference import REFERENCE_SCHEMA
from d24fad_core.io.reading import READING_SCHEMA, read_volume
from d24fad_core.masking.body import body_mask
from d24fad_core.masking.brain_mask import MASK_VERSION
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.coverage import coverage_of
from d24fad_core.masking.mask_cache import COVERAGE_VERSION
from d24fad_core.masking.study_masks import BODY_VERSION
from d24fad_core.masking.template_mask import template_brain
from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.models.decoder_checkpoint import DecoderCard, save_decoder
from d24fad_core.networks.inference import for_inference
from d24fad_core.networks.support_decoder import SupportDecoderConfig, TwofoldDecoder
from d24fad_core.places.brain import brain_likeness
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.support.frame import (
    FRAME_SCHEMA,
    Frame,
    align,
    make_frame,
    make_frame_of_voxels,
)
from d24fad_core.support.likeness import LIKENESS_SCHEMA, mutual_likeness
from d24fad_core.support.placed_file import PLACED_SCHEMA
from d24fad_core.support.profile import PROFILE_SCHEMA
from d24fad_core.support.stack_file import STACK_SCHEMA
from d24fad_core.support.support_set import SupportStudy
from d24fad_core.volumes.slices import slice_volume
from d24fad_core.volumes.volume import Plane, Volume
from tests.contrasts.people import case, normal_person
from tests.detection.small_studies import EVERY_MAP, IMAGE_SIZE, detector, network, normals, study
from tests.masking.heads import head, stripped

GOLDEN = Path(__file__).with_name("golden_outputs.json")
BOXES = DetectionOptions(register=False, planes=(Plane.AXIAL, Plane.SAGITTAL))

LEARNED = DetectionOptions(register=False, comparison=ComparisonKind.LEARNED)
DECODER = SupportDecoderConfig(channels=10, widths=(4, 6, 8, 10))
VOXEL_MM = 6.0

Values = dict[str, str | list[float]]


def check(kind: str, schema: int | list[int], values: Values) -> None:
    """Compare an output with the golden one of its schema number."""
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    record = golden.get(kind, {"schema": 0, "values": {}})
    same = agrees(values, record["values"])
    if schema == record["schema"]:
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
    voxels = np.arange(8 * 9 * 10, dtype=np.int16).reshape(8, 9, 10)
    image = nib.Nifti1Image(voxels, np.diag([-2.0, 1.5, 3.0, 1.0]))
    image.header.set_slope_inter(2.0, -1000.0)
    nib.save(image, tmp_path / "a.nii.gz")
    other = sitk.GetImageFromArray(voxels)
    other.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(other, tmp_path / "b.nrrd")
    volumes = {path.name: read_volume(path) for path in tmp_path.iterdir()}
    values: Values = {name: volume.content_hash for name, volume in volumes.items()}
    check("reading", READING_SCHEMA, values)


def test_frame() -> None:
    grid = frame()
    values: Values = {
        "shape": [float(length) for length in grid.shape],
        "affine": grid.affine.round(4).ravel().tolist(),
        "size": grid.size.round(4).tolist(),
        "coarse": spread(sitk.GetArrayFromImage(grid.coarse)),
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


def test_likeness() -> None:
    profiles = [align(study(n), frame(), "body", register=True).profile for n in (1, 2, 1)]
    members = [SupportStudy(str(n), str(n), own) for n, own in enumerate(profiles)]
    mutual = mutual_likeness(members)
    values: Values = {"alike": str(mutual.alike), "usual": [round(mutual.usual, 3)]}
    check("likeness", LIKENESS_SCHEMA, values)


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


@cache
def learned() -> Detector:
    """A detector with an untrained decoder, as small as one can be."""
    model = network()
    torch.manual_seed(0)  # after the network, which another test may have made
    card = DecoderCard("untrained", DECODER, voxel_mm=VOXEL_MM, threshold=0.4)
    with tempfile.TemporaryDirectory() as folder:
        decoder = TwofoldDecoder(DECODER).eval()
        with torch.no_grad():
            for half in (decoder.in_place, decoder.in_shape):
                half.head.weight.mul_(100.0)  # else every voxel gets nearly the same
        save_decoder(decoder, card, Path(folder))
        model_detector = Detector(
            model, ModelCard("untrained", model.config, 64), decoder=Path(folder)
        )
        model_detector.comparison(ComparisonKind.LEARNED)
    return model_detector


def brains(count: int) -> list[Volume]:
    return [stripped(number) for number in range(count)]


def test_placed_studies_and_stacks() -> None:
    volumes = brains(3)
    space = make_frame_of_voxels(volumes[0], VOXEL_MM, "body")
    placed = [
        place_study(align(each, space, "body", register=False).volume, "body") for each in volumes
    ]
    inside = [float(each.inside.float().mean()) for each in placed]
    values: Values = {"inside": inside, "intensities": spread(placed[1].intensities.numpy())}
    check("placed", PLACED_SCHEMA, values)
    stack = align_mutually(stack_normals(placed))
    values = {
        "unit": [stack.unit],
        "shared": [float(stack.shared.float().mean())],
        "mean": spread(stack.mean.numpy()),
        "intensities": spread(stack.intensities.numpy()),
    }
    check("stack", STACK_SCHEMA, values)


def test_scales_and_results_of_the_learned_comparison() -> None:
    support = learned().prepare_support(brains(3), LEARNED)
    scale = support.scale(LEARNED.planes)
    values: Values = {
        "scale": [scale.centre, scale.spread, scale.threshold, scale.lowest_outline or 0.0],
        "cases": list(scale.case_scores),
        "peaks": list(scale.peak_scores),
    }
    check("scale", [DECODING_SCHEMA, SCALE_SCHEMA], values)
    result = learned().detect(stripped(7), support, LEARNED)
    values = {"heatmap": spread(result.heatmap), "case": [result.case_score]}
    numbers = [DECODING_SCHEMA, SCALE_SCHEMA, RESULT_SCHEMA]
    check("result of the learned comparison", numbers, values)


@pytest.mark.parametrize("kind", [ComparisonKind.WINDOW, ComparisonKind.LEARNED])
def test_fused_scales(kind: ComparisonKind) -> None:
    options = DetectionOptions(register=False, comparison=kind)
    small = learned() if kind is ComparisonKind.LEARNED else detector()
    people = [normal_person(number) for number in range(3)]
    together = ContrastDetector(small)
    support = together.prepare_support(people, ("one", "two"), options)
    scale = support.scale
    result = together.detect(case("one", "two"), support, options)
    values: Values = {
        "scale": [scale.centre, scale.spread, scale.threshold],
        "cases": list(scale.case_scores),
        "heatmap": spread(result.heatmap),
        "case": [result.case_score],
    }
    learnt = kind is ComparisonKind.LEARNED
    of_maps = [DECODING_SCHEMA, SCALE_SCHEMA] if learnt else []
    numbers = [FUSION_SCHEMA, *of_maps, RESULT_SCHEMA]
    check(f"fusion of {kind.value} maps", numbers, values)


def test_coverage() -> None:
    scans = {"head": head(1), "brain": stripped(1), "body": study(0)}
    values: Values = {name: coverage_of(scan).value for name, scan in scans.items()}
    check("coverage", COVERAGE_VERSION, values)


def test_masks() -> None:
    of_body = body_mask(study(0))
    check("body mask", BODY_VERSION, {"mask": [float(of_body.mean()), *centre(of_body)]})
    of_brain = template_brain(head(1))
    check("brain mask", MASK_VERSION, {"mask": [float(of_brain.mean()), *centre(of_brain)]})


def test_choice_of_the_comparison() -> None:
    options = SimulationOptions(contrast=Contrast.T1, spacing=(4.0, 4.0, 4.0), seed=31)
    brain = simulate_subject(options, Role.SUPPORT, 0).image
    automatic = AutomaticComparison(BrainMask.AUTO, None, own_model=False)
    scans = {"brain": brain, "brain of shapes": stripped(1), "body": study(0)}
    values: Values = {
        name: automatic.resolve(DetectionOptions(), [scan])[1].value for name, scan in scans.items()
    }
    values["likeness"] = [brain_likeness(brain)]
    check("choice of the comparison", CHOICE_SCHEMA, values)


def centre(mask: NDArray[np.bool_]) -> list[float]:
    return [float(places.mean()) for places in np.nonzero(mask)]


def test_every_number_has_a_golden_output() -> None:
    """Whatever number makes kept files void is checked in this file."""
    numbers = {
        node.targets[0].id
        for path in Path(d24fad_core.__file__).parent.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.endswith(("_SCHEMA", "_VERSION"))
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, int)
    }
    assert len(numbers) > 10
    assert numbers <= globals().keys()


def test_another_output_under_the_same_number_is_noticed() -> None:
    """As when somebody changes an algorithm and forgets its number."""
    for record in json.loads(GOLDEN.read_text()).values():
        values = record["values"]
        assert agrees(values, values)
        for name, value in values.items():
            changed = "0" * 64 if isinstance(value, str) else [1.03 * v + 0.02 for v in value]
            assert not agrees({**values, name: changed}, values), name
