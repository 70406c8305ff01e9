"""What holds at every moment of a session, and what panel, server and PACS agree on at its end."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, Event, ServerReview, State
from hospital import Hospital
from numpy.typing import NDArray
from review_overlay import check_overlay, shown

from monailabel_app.review import states as reducer

Voxels = frozenset[tuple[int, int, int]]
"""Indices of voxels on the grid of the analysis."""
_COUNTS = ("edit", "add")


@dataclass
class Witness:
    """Remembers what was seen during a session and must be found again.

    Args:
        hospital: the server and the PACS.
        result: the analysis that was there before.

    Attributes:
        waited: every event that waited in the panel, by result and key, with the version of the
            review that its reviewer saw.
    """

    hospital: Hospital
    result: str
    waited: dict[tuple[str, str], tuple[Event, int]] = field(default_factory=dict)
    _views: dict[str, int] = field(default_factory=dict)
    _labels: dict[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    _masks: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._views[self.result] = 0  # the panel may have another one, and a colleague this

    def check(self) -> None:
        """What holds at every moment."""
        from D24FADSlicerLib.scene.parameters import CaseNode

        views: list[tuple[str, Review]] = []
        for case in CaseNode.all():
            views += case.former_reviews.items()
            if case.analysis is not None:
                views.append((case.analysis.result, case.review))
        for result, review in views:
            self._views[result] = max(
                self._views.get(result, 0), [name for name, _ in views].count(result)
            )
            for event in review.waiting:
                self.waited.setdefault((result, event.key), (event, review.server.version))
        if self.hospital.runs:
            for result in self._views:
                self._check_result(result, [review for name, review in views if name == result])

    def _check_result(self, result: str, reviews: list[Review]) -> None:
        log, told, count = self.log(result)
        assert shown(told) == shown(reducer.review_of(count, log).findings)
        for review in reviews:
            check_overlay(review, log, count)
        self._check_nothing_lost(result, reviews, log)
        self._check_outlines(result, log)

    def log(
        self, result: str
    ) -> tuple[list[reducer.ReviewEvent], list[reducer.FindingReview], int]:
        """The events, the findings that the server makes of them, and how many it detected."""
        document = self.hospital.get(f"/results/{result}/review").json()
        names = reducer.ReviewEvent.__dataclass_fields__
        log = [
            reducer.ReviewEvent(**{name: event[name] for name in names})
            for event in document["events"]
        ]
        findings = [reducer.FindingReview(**finding) for finding in document["findings"]]
        return log, findings, int(self.labels(result)[0].max())

    def _check_nothing_lost(
        self, result: str, reviews: list[Review], log: list[reducer.ReviewEvent]
    ) -> None:
        """A decision is on the server, or waits; or somebody else was faster at its finding."""
        there = {event.key for event in log}
        there |= {event.key for review in reviews for event in review.waiting}
        # Where a case is open once, what its reviewer did themselves is no excuse.
        own = {key for of, key in self.waited if of == result and self._views[result] < 2}
        about = {event.event: event.finding or 0 for event in log}
        about |= {e.event: about.get(e.undoes, 0) for e in log if e.undoes is not None}
        for (of, key), (event, version) in self.waited.items():
            if of != result or key in there:
                continue
            subjects = {event.finding or 0}
            if event.action is Action.UNDO:
                target = self.waited.get((result, event.target))
                logged = next((e for e in log if e.key == event.target), None)
                subjects = {target[0].finding or 0} if target else set()
                subjects |= {about[logged.event]} if logged else set()
            later = {about[e.event] for e in log if e.event > version and e.key not in own}
            assert subjects & later, f"lost: {event}"

    def _check_outlines(self, result: str, log: list[reducer.ReviewEvent]) -> None:
        """An outline is its finding's until another is drawn, is there, and is there once."""
        count_of: dict[tuple[str, str | None], int] = {}
        undone = {event.undoes for event in log}
        for event in log:
            if event.mask is None:
                continue
            self.mask(result, event.mask)
            if event.action in _COUNTS and event.event not in undone:
                name = (event.reviewer, event.mask)
                count_of[name] = count_of.get(name, 0) + 1
        twice = [name for name, count in count_of.items() if count > 1]
        assert not twice, f"outlines that were written twice: {twice}"
        for place, event in enumerate(log):
            if event.action == "final":
                self._check_final(result, log[: place + 1])

    def _check_final(self, result: str, log: list[reducer.ReviewEvent]) -> None:
        """A final label is what the review said when it was stored."""
        final = log[-1]
        assert final.mask is not None
        labels, _ = self.labels(result)
        review = reducer.review_of(int(labels.max()), log)
        expected = np.zeros(labels.shape, bool)
        for finding in review.findings:
            if finding.state in reducer.MARKED_STATES:
                own = finding.mask is None
                expected |= labels == finding.finding if own else self.mask(result, finding.mask)
        np.testing.assert_array_equal(self.mask(result, final.mask), expected, str(final))

    def labels(self, result: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """The finding that each voxel belongs to, shape (I, J, K), and the affine."""
        if result not in self._labels:
            path = f"/results/{result}/mask?labels=findings"
            self._labels[result] = read(self.hospital.get(path).content)
        return self._labels[result]

    def mask(self, result: str, digest: str | None) -> NDArray[Any]:
        """A mask that the server has, shape (I, J, K); it is the one of that name."""
        assert digest is not None
        if digest not in self._masks:
            content = self.hospital.get(f"/results/{result}/review/masks/{digest}").content
            assert hashlib.sha256(content).hexdigest() == digest
            self._masks[digest] = read(content)[0] > 0
        return self._masks[digest]

    def forget(self) -> None:
        """The server was killed: look at everything again."""
        self._masks.clear()

    def sent_masks(self) -> list[tuple[str, str]]:
        """Result and name of each mask that the server took, whether or not the panel heard it."""
        pattern = re.compile(r"/results/(\w+)/review/masks/(\w+)$")
        return [
            (found[1], found[2])
            for request, answer in self.hospital.line.answers
            if request.method == "PUT"
            and answer.status == 201
            and (found := pattern.search(request.path))
        ]

    def check_agreement(self) -> None:
        """Panel, server and PACS hold the same; for a session at its end."""
        from D24FADSlicerLib.scene.parameters import CaseNode

        self.forget()
        self.check()
        for result, digest in self.sent_masks():
            self.mask(result, digest)
        cases = [(case, case.analysis.result) for case in CaseNode.all() if case.analysis]
        assert cases
        affine = self.labels(cases[0][1])[1]
        in_pacs = [on_grid(segmented(s), affine) for s in self.hospital.segmentations()]
        stored: list[Voxels] = []
        for result in self._views:
            log, _, _ = self.log(result)
            finals = [event.mask for event in log if event.action == "final"]
            stored += [marked(self.mask(result, mask)) for mask in finals]
        for case, result in cases:
            told = ServerReview.read(self.hospital.get(f"/results/{result}/review").json())
            assert case.review == Review(told)
            last = marked(read(self.hospital.get(f"/results/{result}/review/final").content)[0])
            assert on_grid(painted(case), affine) == last
            assert last in in_pacs, "the final label is not in the PACS"
        for voxels in in_pacs:
            assert voxels in stored, "the PACS holds a label that nobody stored"


def read(content: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Voxels and affine of a NIfTI file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        path.write_bytes(content)
        image = nibabel.load(path)
        return np.asarray(image.dataobj), image.affine


def marked(mask: NDArray[Any]) -> Voxels:
    """The voxels of a mask."""
    return frozenset(map(tuple, np.argwhere(mask).tolist()))


def on_grid(ras: NDArray[Any], affine: NDArray[Any]) -> Voxels:
    """The voxels that lie at positions, RAS, mm."""
    inverse = np.linalg.inv(affine)
    voxels = ras @ inverse[:3, :3].T + inverse[:3, 3]
    np.testing.assert_allclose(voxels, np.rint(voxels), atol=0.05)
    return frozenset(map(tuple, np.rint(voxels).astype(int).tolist()))


def painted(case: Any) -> NDArray[Any]:
    """Where the segments that count are painted in the scene, RAS, mm."""
    import slicer
    from D24FADSlicerLib.scene.heatmap import affine_of
    from D24FADSlicerLib.scene.segments import segment_of

    inside = np.zeros(case.volume.GetImageData().GetDimensions()[::-1], bool)
    for finding, found in case.review.findings().items():
        if found.state in (State.OPEN, State.REJECTED):
            continue
        segment = segment_of(case.segmentation, finding)
        assert segment is not None, f"finding {finding} has no segment"
        inside |= (
            slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume) > 0
        )
    affine = affine_of(case.volume)
    return np.asarray(np.argwhere(inside)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3])


def segmented(written: pydicom.Dataset) -> NDArray[Any]:
    """Where a DICOM segmentation marks voxels, RAS, mm; DICOM has LPS."""
    (shared,) = written.SharedFunctionalGroupsSequence
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    along_row, along_column = np.reshape(np.array(orientation, float), (2, 3))
    between_rows, between_columns = shared.PixelMeasuresSequence[0].PixelSpacing
    found = []
    frames = written.pixel_array.reshape(-1, written.Rows, written.Columns)
    for frame, groups in zip(frames, written.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        lps = corner + np.outer(columns * float(between_columns), along_row)
        found.append(lps + np.outer(rows * float(between_rows), along_column))
    return np.concatenate(found) * (-1.0, -1.0, 1.0)
