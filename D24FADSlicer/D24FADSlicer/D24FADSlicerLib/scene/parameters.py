"""What the module keeps in the scene: a typed face over `vtkMRMLScriptedModuleNode`."""

from __future__ import annotations

import json
from typing import Any

import slicer

from ..logic.findings import Analysis
from ..logic.matching import Matches
from ..logic.review import Review

MODULE = "D24FADSlicer"
_CASE = "D24FAD case"


class CaseNode:
    """One case: its volume, heatmap and findings, the analysis and the review so far.

    It is saved with the scene, so that a review goes on where it was left.

    Args:
        node: the scripted module node behind it.
    """

    def __init__(self, node: Any) -> None:
        self.node = node

    @classmethod
    def of_volume(cls, volume: Any) -> CaseNode:
        """The case of a volume; made if there is none."""
        case = cls.find(volume)
        if case is not None:
            return case
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLScriptedModuleNode", f"{_CASE} {volume.GetName()}"
        )
        node.SetModuleName(MODULE)
        node.SetAttribute("D24FAD.Kind", "case")
        node.SetHideFromEditors(True)
        case = cls(node)
        case._set_reference("Volume", volume)
        return case

    @classmethod
    def find(cls, volume: Any) -> CaseNode | None:
        """The case of a volume, or None."""
        for case in cls.all():
            if volume is not None and case.volume is volume:
                return case
        return None

    @classmethod
    def all(cls) -> list[CaseNode]:
        """Every case of the scene whose volume is still there."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        cases = [cls(node) for node in nodes if node.GetAttribute("D24FAD.Kind") == "case"]
        return [case for case in cases if case.volume is not None]

    @property
    def volume(self) -> Any:
        """The volume under review."""
        return self.node.GetNodeReference("Volume")

    @property
    def prior(self) -> Any:
        """The earlier study of the patient that it is compared with, or None."""
        return self.node.GetNodeReference("Prior")

    @prior.setter
    def prior(self, node: Any) -> None:
        self._set_reference("Prior", node)

    @property
    def heatmap(self) -> Any:
        """The heatmap's volume node, or None."""
        return self.node.GetNodeReference("Heatmap")

    @heatmap.setter
    def heatmap(self, node: Any) -> None:
        self._set_reference("Heatmap", node)

    @property
    def segmentation(self) -> Any:
        """The findings' segmentation node, or None."""
        return self.node.GetNodeReference("Findings")

    @segmentation.setter
    def segmentation(self, node: Any) -> None:
        self._set_reference("Findings", node)

    @property
    def numbers(self) -> Any:
        """The node with the numbers of the findings, or None."""
        return self.node.GetNodeReference("Numbers")

    @numbers.setter
    def numbers(self, node: Any) -> None:
        self._set_reference("Numbers", node)

    @property
    def image(self) -> str:
        """The image's id on the server; empty before it was sent."""
        return str(self.node.GetParameter("Image") or "")

    @image.setter
    def image(self, image: str) -> None:
        self.node.SetParameter("Image", image)

    @property
    def content(self) -> str:
        """Fingerprint of the voxels that the server has under `image`; empty if unknown."""
        return str(self.node.GetParameter("Content") or "")

    @content.setter
    def content(self, content: str) -> None:
        self.node.SetParameter("Content", content)

    @property
    def analysis(self) -> Analysis | None:
        """The latest analysis, or None."""
        document = self.node.GetParameter("Result")
        return Analysis.read(json.loads(document)) if document else None

    @analysis.setter
    def analysis(self, analysis: Analysis) -> None:
        self.node.SetParameter("Result", json.dumps(analysis.document))

    @property
    def matches(self) -> Matches | None:
        """How the support studies lie over the case in the latest analysis; None if not known."""
        document, analysis = self.node.GetParameter("Matches"), self.analysis
        matches = Matches.read(json.loads(document)) if document else None
        known = matches is not None and analysis is not None and matches.result == analysis.result
        return matches if known else None

    @matches.setter
    def matches(self, matches: Matches) -> None:
        self.node.SetParameter("Matches", json.dumps(matches.document))

    @property
    def review(self) -> Review:
        """The review of the latest analysis."""
        document = self.node.GetParameter("Review")
        return Review.read(json.loads(document)) if document else Review()

    @review.setter
    def review(self, review: Review) -> None:
        self.node.SetParameter("Review", json.dumps(review.document()))

    @property
    def former_reviews(self) -> dict[str, Review]:
        """Reviews of earlier analyses with decisions that wait to be sent, by result."""
        document = self.node.GetParameter("FormerReviews")
        reviews = json.loads(document) if document else {}
        return {result: Review.read(review) for result, review in reviews.items()}

    @former_reviews.setter
    def former_reviews(self, reviews: dict[str, Review]) -> None:
        waiting = {name: review.document() for name, review in reviews.items() if review.waiting}
        self.node.SetParameter("FormerReviews", json.dumps(waiting))

    @property
    def unsent(self) -> dict[str, Review]:
        """Every review of the case with decisions that wait to be sent, by result, oldest first."""
        reviews, analysis = self.former_reviews, self.analysis
        if analysis is not None and self.review.waiting:
            reviews[analysis.result] = self.review
        return reviews

    @property
    def threshold(self) -> float | None:
        """The threshold of the display, z units; None for that of the analysis."""
        value = self.node.GetParameter("Threshold")
        return float(value) if value else None

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self.node.SetParameter("Threshold", repr(threshold))

    def _set_reference(self, role: str, node: Any) -> None:
        self.node.SetNodeReferenceID(role, node.GetID() if node is not None else None)
