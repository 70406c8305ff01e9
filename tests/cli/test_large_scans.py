"""A scan that is never held whole: bounded memory, and the findings of the same head as it was."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from d24fad_core.io.reading import read_volume
from d24fad_core.simulation import SimulationOptions, simulate_cohort
from d24fad_core.volumes.reduction import Reduction, reduced_affine

pytestmark = pytest.mark.slow

FACTORS = (6, 5, 7)
PEAK_GIB = 1.6
"""Measured 1.1, as for the head at its normal size; held whole, the scan takes 2.8."""

MEASURED = """
import atexit, os, pathlib, re, runpy

def write_peak():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(os.environ["PEAK_FILE"]).write_text(re.search(r"VmHWM:\\s+(\\d+)", status)[1])

atexit.register(write_peak)
runpy.run_module("d24fad_core", run_name="__main__", alter_sys=True)
"""
"""What the system reports of an ended process counts the memory of the one that started it too."""


def enlarge(case: Path, out: Path) -> tuple[int, int, int]:
    """Write a study with more voxels of the same values, as int16; returns its shape."""
    volume = read_volume(case)
    first, second, third = (n * factor for n, factor in zip(volume.shape, FACTORS, strict=True))
    shape = (first, second, third)
    fine = np.linalg.inv(reduced_affine(np.eye(4), FACTORS))
    image = nib.Nifti1Image(np.broadcast_to(np.int16(0), shape), volume.affine @ fine)
    image.header.set_slope_inter(1.0, 0.0)
    blocks = Reduction(shape, image.affine, FACTORS, "")
    with gzip.open(out, "wb", compresslevel=1) as stream:
        image.header.write_to(stream)
        for each in blocks.source_slices(volume.array.astype(np.int16)):
            stream.write(each.tobytes(order="F"))
    return shape


def detect(case: Path, cohort: Path, *more: str) -> tuple[dict[str, Any], float]:
    """Run `d24fad detect` in a process of its own; returns its report and its peak in GiB."""
    arguments = [str(case), "--support", str(cohort / "support"), "--out", str(cohort / "out")]
    arguments += ["--cache", str(cohort / "cache"), "--threads", "1", "--json"]
    arguments += ["--comparison", "window", *more]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "detect", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PEAK_FILE": str(cohort / "peak")},
    )
    return json.loads(done.stdout), int((cohort / "peak").read_text()) / 2**20


def test_a_large_scan_is_analysed_in_bounded_memory(tmp_path: Path) -> None:
    options = SimulationOptions(support=2, normals=0, lesions=1, spacing=(2.0, 2.0, 2.0))
    simulate_cohort(tmp_path, options)
    case, large = tmp_path / "cases" / "lesion-001.nii.gz", tmp_path / "large.nii.gz"
    shape = enlarge(case, large)
    assert np.prod(shape) > 512 * 512 * 550

    expected, _ = detect(case, tmp_path)
    document, peak = detect(large, tmp_path, "--reduce-above", str(2**24))
    assert peak < PEAK_GIB
    assert document["provenance"]["parameters"]["reduction"] == "4 x 4 x 5"
    assert document["case_score"] == pytest.approx(expected["case_score"], rel=0.1)
    for known in expected["findings"][:2]:
        place = np.array(known["centroid_ras_mm"])
        nearest = min(
            document["findings"],
            key=lambda each: np.linalg.norm(np.array(each["centroid_ras_mm"]) - place),
        )
        np.testing.assert_allclose(nearest["centroid_ras_mm"], place, atol=3.0)
        assert nearest["peak_score"] == pytest.approx(known["peak_score"], rel=0.1)
    for name in ("heatmap.nii.gz", "mask.nii.gz"):
        assert nib.load(tmp_path / "out" / name).shape == shape
