"""The normals that are most like the findings, laid on the study, and the places matched there."""

from collections.abc import Sequence
from dataclasses import replace

from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import AnomalyResult, Finding
from d24fad_core.io.known_studies import StudySource
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

MOST_NORMALS = 2
"""So many are matched: each is read and registered for it, and makes a page larger."""


def match_nearest(
    detector: Detector,
    query: Volume,
    normals: Sequence[StudySource],
    support: SupportSet,
    result: AnomalyResult,
    options: DetectionOptions,
) -> list[MatchedNormal]:
    """The normals that are most like the first findings, laid on the study.

    Where no finding knows its nearest normal, it is the one with the largest share.

    Args:
        detector: what analysed the study.
        query: the study.
        normals: the studies of the support, in its order.
        support: what it was compared with.
        result: its analysis.
        options: choices for the analysis.

    Raises:
        InputError: a normal cannot be read any more.
    """
    names = [normal.name for normal in normals]
    nearest = [finding.nearest_normal for finding in result.findings if finding.nearest_normal]
    if not nearest:
        shares = [use.share for use in result.provenance.supports]
        nearest = [names[shares.index(max(shares))]]
    first = list(dict.fromkeys(nearest))[:MOST_NORMALS]
    return [detector.match(query, normals[names.index(name)], support, options) for name in first]


def with_matched_places(result: AnomalyResult, normals: Sequence[MatchedNormal]) -> AnomalyResult:
    """Say of each finding where its peak lies in its nearest normal, as far as that was matched.

    Args:
        result: the analysis.
        normals: some of them, laid on the study.
    """
    by_name = {normal.study.name: normal for normal in normals}

    def placed(finding: Finding) -> Finding:
        normal = by_name.get(finding.nearest_normal or "")
        if normal is None:
            return finding
        return replace(finding, matched_ras_mm=normal.place_of(finding.peak_ras_mm))

    return replace(result, findings=tuple(placed(finding) for finding in result.findings))
