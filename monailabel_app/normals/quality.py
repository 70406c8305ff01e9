"""Quality control of a support set: does each study agree with the others?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from d24fad_core.detection.study_checks import outlier_limit
from d24fad_core.progress import Progress
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.analysis.analyses import Analyses, AnalysisRequest, part
from monailabel_app.analysis.parameters import MINIMUM_SUPPORTS, AnalysisParameters
from monailabel_app.analysis.results import StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import SET_QUALITY
from monailabel_app.studies.images import ImageCatalogue, Study

_EXTENT_FACTOR = 1.5
_SPACING_FACTOR = 3.0
_CONTAMINATION_ML = 1.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: `readable`, `modality`, `geometry`, `outlier` or `contamination`.
        passed: whether it is in order.
        message: one sentence with the value.
    """

    name: str
    passed: bool
    message: str


@dataclass(frozen=True)
class StudyQuality:
    """How a study fits its set.

    Attributes:
        state: `unchecked`, `ok`, `warning` or `failed` (it cannot be used).
        leave_one_out_score: its case score against the other studies; None with fewer than three.
        checks: what was looked at.
    """

    state: str = "unchecked"
    leave_one_out_score: float | None = None
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class SetQuality:
    """How the studies of a set agree.

    Attributes:
        support_hash: hash over the content that was checked.
        modality: modality of the set, None where nothing could be read.
        statement: one sentence for people.
        studies: by image id.
        checkpoint_hash: of the checkpoint that scored them.
    """

    support_hash: str
    modality: str | None
    statement: str
    studies: Mapping[str, StudyQuality]
    checkpoint_hash: str = ""


@dataclass(frozen=True)
class Geometry:
    """What is compared between the studies of a set.

    Attributes:
        modality: CT or MR.
        extent_mm: size of the scanned box along R, A and S.
        spacing_mm: distance between voxels, sorted.
    """

    modality: Modality
    extent_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, volume: Volume) -> "Geometry":
        """Take it from a volume."""
        extent = np.abs(volume.affine[:3, :3]) @ np.array(volume.shape, dtype=np.float64)
        right, anterior, superior = (float(length) for length in extent)
        first, second, third = sorted(volume.spacing)
        return cls(volume.modality, (right, anterior, superior), (first, second, third))


class QualityControl:
    """Checks support sets and keeps the findings until a set's content changes.

    Args:
        database: where they are kept.
        support_sets: the sets.
        images: the studies of the server.
        analyses: scores each study against the others.
    """

    def __init__(
        self,
        database: Database,
        support_sets: SupportSets,
        images: ImageCatalogue,
        analyses: Analyses,
    ) -> None:
        self._records = Records(database, SET_QUALITY, SetQuality)
        self._support_sets = support_sets
        self._images = images
        self._analyses = analyses

    def known(self, name: str) -> SetQuality | None:
        """What the latest check of a set found; None where set or checkpoint have changed."""
        quality = self._records.get(name)
        if quality is None:
            return None
        checked = (quality.support_hash, quality.checkpoint_hash)
        current = (self.support_hash(name), self._analyses.detector.checkpoint_hash)
        return quality if checked == current else None

    def support_hash(self, name: str) -> str:
        """Hash over the content of a set's studies."""
        return self._images.support_hash(self._studies(name))

    def check(self, name: str, progress: Progress) -> SetQuality:
        """Check a set.

        Raises:
            RequestError: there is no such set.
            CancelledError: `progress` raised it.
        """
        studies = self._studies(name)
        geometries: dict[str, Geometry] = {}
        unreadable: dict[str, str] = {}
        for number, study in enumerate(studies):
            progress(f"Reading study {number + 1} of {len(studies)}", 0.2 * number / len(studies))
            try:
                geometries[study.name] = Geometry.of(study.volume())
            except RequestError as error:
                unreadable[study.name] = error.cause
        alike = [s for s in studies if s.name in geometries]
        modality = _majority([geometries[s.name].modality for s in alike])
        alike = [s for s in alike if geometries[s.name].modality is modality]
        results = self._leave_one_out(name, alike, part(progress, 0.2, 1.0))
        quality = SetQuality(
            self._images.support_hash(studies),
            modality.value if modality else None,
            _statement(len(studies), len(alike)),
            {
                study.name: _study_quality(study.name, unreadable, geometries, modality, results)
                for study in studies
            },
            self._analyses.detector.checkpoint_hash,
        )
        self._records.put(name, quality)
        return quality

    def _leave_one_out(
        self, name: str, studies: Sequence[Study], progress: Progress
    ) -> dict[str, StoredResult]:
        if len(studies) <= MINIMUM_SUPPORTS:
            return {}
        results = {}
        for number, study in enumerate(studies):
            others = tuple(other for other in studies if other is not study)
            request = AnalysisRequest(study, others, AnalysisParameters(support_set=name))
            share = 1.0 / len(studies)
            results[study.name] = self._analyses.run(
                request, part(progress, number * share, (number + 1) * share)
            )
        return results

    def _studies(self, name: str) -> tuple[Study, ...]:
        studies = map(self._images.find, self._support_sets.get(name).images)
        return tuple(study for study in studies if study is not None)


def modality_check(own: Modality, common: Modality) -> Check:
    """Is it of the modality that most of the set have?"""
    if own is common:
        return Check("modality", True, f"{own.value} like the rest of the set.")
    return Check("modality", False, f"{own.value}, but the set is {common.value}.")


def geometry_check(own: Geometry, all_of_set: Sequence[Geometry]) -> Check:
    """Are its extent and its spacing near the set's medians?"""
    wrong = []
    for axis, words in enumerate(("right-left", "front-back", "head-foot")):
        usual = median(other.extent_mm[axis] for other in all_of_set)
        if _factor(own.extent_mm[axis], usual) > _EXTENT_FACTOR:
            wrong.append(f"{own.extent_mm[axis]:.0f} mm {words} where {usual:.0f} mm are usual")
    for own_spacing, usual in zip(
        own.spacing_mm,
        (median(other.spacing_mm[axis] for other in all_of_set) for axis in range(3)),
        strict=True,
    ):
        if _factor(own_spacing, usual) > _SPACING_FACTOR:
            wrong.append(f"voxels of {own_spacing:.1f} mm where {usual:.1f} mm are usual")
    if wrong:
        return Check("geometry", False, f"It has {' and '.join(wrong)}.")
    return Check("geometry", True, "Extent and voxel size are those of the set.")


def outlier_check(own: float, scores: Sequence[float]) -> Check:
    """Is its leave-one-out score among the others'?"""
    limit = outlier_limit(scores)
    message = f"Scores {own:.1f} against the others; the limit is {limit:.1f}."
    return Check("outlier", own <= limit, message)


def contamination_check(result: StoredResult) -> Check:
    """Does a region stand out from the other studies?"""
    large = [f for f in result.findings if f.volume_ml >= _CONTAMINATION_ML]
    if not large:
        return Check("contamination", True, "No region stands out from the other studies.")
    worst = large[0]
    place = ", ".join(f"{value:.0f}" for value in worst.centroid_ras_mm)
    return Check(
        "contamination",
        False,
        f"{len(large)} region{'s' if len(large) > 1 else ''} of {_CONTAMINATION_ML:.0f} ml or more "
        f"stand{'' if len(large) > 1 else 's'} out, the first at RAS {place} mm "
        f"({worst.peak_score:.1f} z); look whether the study is normal.",
    )


def _study_quality(
    name: str,
    unreadable: Mapping[str, str],
    geometries: Mapping[str, Geometry],
    modality: Modality | None,
    results: Mapping[str, StoredResult],
) -> StudyQuality:
    if name in unreadable or modality is None:
        return StudyQuality("failed", None, (Check("readable", False, unreadable.get(name, "")),))
    own = geometries[name]
    checks = [modality_check(own.modality, modality)]
    if not checks[0].passed:
        return StudyQuality("failed", None, tuple(checks))
    alike = [geometry for geometry in geometries.values() if geometry.modality is modality]
    checks.append(geometry_check(own, alike))
    score = None
    if name in results:
        score = results[name].record.case_score
        checks.append(outlier_check(score, [r.record.case_score for r in results.values()]))
        checks.append(contamination_check(results[name]))
    state = "ok" if all(check.passed for check in checks) else "warning"
    return StudyQuality(state, score, tuple(checks))


def _statement(studies: int, alike: int) -> str:
    if alike < studies:
        return f"{studies - alike} of {studies} studies cannot be used."
    if studies <= MINIMUM_SUPPORTS:
        return "With fewer than 3 studies it cannot be told whether they agree with one another."
    return f"{studies} studies were compared with one another."


def _majority(modalities: Sequence[Modality]) -> Modality | None:
    return max(Modality, key=modalities.count) if modalities else None


def _factor(value: float, usual: float) -> float:
    return max(value, usual) / max(min(value, usual), 1e-9)
