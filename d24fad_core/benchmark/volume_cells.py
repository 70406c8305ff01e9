"""Analyses of single cases in single planes, kept on disk so that a stopped benchmark goes on.

A cell is one case by one method against one support, in all planes. Heatmaps are kept as float16
(three digits, far below the noise of a score). With several planes, their fusion is analysed too.
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.detector import RESULT_SCHEMA, Detector
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import InputError
from d24fad_core.evaluation.volume_protocol import AnalysedCase
from d24fad_core.files import hash_bytes, whole_file
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Plane, Volume

FUSION = "fusion"
"""Name of all planes together."""


@dataclass(frozen=True, eq=False)
class PlaneAnalysis:
    """What the detector found in one plane, or in several together.

    Attributes:
        heatmap: z units on the case's grid, exactly 0 outside the foreground.
        score: case score, z units.
        threshold: of the mask, z units.
        seconds: time that the analysis took, from the volume in memory to the findings.
    """

    heatmap: NDArray[np.float32]
    score: float
    threshold: float
    seconds: float

    def measured(
        self,
        name: str,
        volume: Volume,
        truth: NDArray[np.bool_],
        minimum_volume_ml: float,
    ) -> AnalysedCase:
        """Compare with the truth, on the grid of `volume`."""
        mask, _ = find_findings(
            self.heatmap, max(self.threshold, 0.0), volume.affine, 2, minimum_volume_ml
        )
        return AnalysedCase.of(name, self.score, self.heatmap, mask, truth, volume.spacing)


def analyse_case(
    detector: Detector,
    support: SupportSet,
    volume: Volume,
    options: DetectionOptions,
    path: Path,
) -> dict[str, PlaneAnalysis]:
    """Analyse a case in each plane of the options and in all together, or take what is kept of it.

    Args:
        detector: the method.
        support: prepared with the same options.
        volume: the case.
        options: planes and everything else.
        path: where the cell is kept; a file of another cell, or a damaged one, is replaced.

    Returns:
        Planes by name; with several their fusion stands last.
    """
    key = _key(detector, support, volume, options)
    earlier = _read(path, key)
    if earlier is not None:
        return earlier
    runs: dict[str, tuple[Plane, ...]] = {plane.value: (plane,) for plane in options.planes}
    if len(options.planes) > 1:
        runs[FUSION] = options.planes
    analyses = {}
    for name, planes in runs.items():
        begin = time.perf_counter()
        result = detector.detect(volume, support, replace(options, planes=planes))
        analyses[name] = PlaneAnalysis(
            result.heatmap.astype(np.float16).astype(np.float32),
            result.case_score,
            result.calibration.threshold,
            time.perf_counter() - begin,
        )
    _write(path, key, analyses)
    return analyses


def kept_analyses(path: Path) -> dict[str, PlaneAnalysis]:
    """What is kept of a cell, by plane; with several planes their fusion stands last.

    Raises:
        InputError: there is no such cell, or it is damaged.
    """
    analyses = _read(path, None)
    if analyses is None:
        raise InputError(f"{path} is no whole analysis", "run the benchmark again.")
    return analyses


def _key(detector: Detector, support: SupportSet, volume: Volume, options: DetectionOptions) -> str:
    shaping = [
        RESULT_SCHEMA,
        detector.checkpoint_hash,
        volume.content_hash,
        *(study.content_hash for study in support.studies),
        repr(options),
    ]
    return hash_bytes(json.dumps(shaping).encode())


def _write(path: Path, key: str, analyses: dict[str, PlaneAnalysis]) -> None:
    header = {
        "key": key,
        "planes": {
            name: {
                "score": part.score,
                "threshold": part.threshold,
                "seconds": part.seconds,
            }
            for name, part in analyses.items()
        },
    }
    maps = {name: part.heatmap.astype(np.float16) for name, part in analyses.items()}
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, header=np.array(json.dumps(header)), **maps)


def _read(path: Path, key: str | None) -> dict[str, PlaneAnalysis] | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(str(archive["header"]))
            if key is not None and header["key"] != key:
                return None
            return {
                name: PlaneAnalysis(archive[name].astype(np.float32), **values)
                for name, values in header["planes"].items()
            }
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None
