"""What the server tells, as typed records; fields that are not known are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .messages import ExplainedError

Document = Mapping[str, Any]


def malformed(what: str) -> ExplainedError:
    """An answer that is not as the server's interface promises."""
    return ExplainedError(
        f"The server's answer is not understood: {what}.",
        "Install the same version of the server and of this extension.",
        "wrong_version",
    )


def number(document: Document, key: str) -> float:
    """A number of an answer.

    Raises:
        ExplainedError: it is missing or no number.
    """
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise malformed(f"'{key}' is {value!r}, not a number")
    return float(value)


def text(document: Document, key: str) -> str:
    """A text of an answer.

    Raises:
        ExplainedError: it is missing or no text.
    """
    value = document.get(key)
    if not isinstance(value, str):
        raise malformed(f"'{key}' is {value!r}, not a text")
    return value


def items(document: Document) -> list[Document]:
    """The entries of a list."""
    value = document.get("items")
    if not isinstance(value, list):
        raise malformed("a list has no 'items'")
    return value


@dataclass(frozen=True)
class ServerInfo:
    """Who answers at the address."""

    version: str
    checkpoint: str
    studies: str
    uploads: bool
    default_support_set: str
    minimum_supports: int
    ct_windows: tuple[str, ...]

    @classmethod
    def read(cls, document: Document) -> ServerInfo:
        """Read it from the answer to the connection test.

        Raises:
            ExplainedError: another app answers, or another version of the interface.
        """
        if document.get("name") != "D24FAD":
            raise ExplainedError(
                f"Another server answers there ({document.get('name')!r}).",
                "Start MONAI Label with --app monailabel_app of D24FAD.",
                "wrong_app",
            )
        if document.get("api_version") != 1:
            raise ExplainedError(
                f"The server speaks version {document.get('api_version')} of its interface; "
                "this extension speaks version 1.",
                "Install the extension and the server from the same release.",
                "wrong_version",
            )
        studies = document.get("studies") or {}
        supports = (document.get("limits") or {}).get("supports") or {}
        options = document.get("options") or {}
        return cls(
            version=text(document, "version"),
            checkpoint=str((document.get("checkpoint") or {}).get("name", "")),
            studies=str(studies.get("kind", "folder")),
            uploads=bool(studies.get("uploads", True)),
            default_support_set=str(document.get("default_support_set") or "default"),
            minimum_supports=int(supports.get("minimum", 2)),
            ct_windows=tuple(options.get("ct_windows") or ("body",)),
        )


@dataclass(frozen=True)
class ImageEntry:
    """An image on the server with its review state; `title` is what people call it."""

    image: str
    title: str
    sha256: str | None
    modality: str | None
    state: str
    result: str | None
    case_score: float | None

    @classmethod
    def read(cls, document: Document) -> ImageEntry:
        """Read it from an answer."""
        score = document.get("case_score")
        return cls(
            image=text(document, "image"),
            title=str(document.get("title") or text(document, "image")),
            sha256=document.get("sha256"),
            modality=document.get("modality"),
            state=str(document.get("state", "unreviewed")),
            result=document.get("result"),
            case_score=None if score is None else float(score),
        )


@dataclass(frozen=True)
class SupportStudy:
    """A normal study of a support set and what the quality control says of it."""

    image: str
    quality: str
    confirmed_normal: bool
    remarks: tuple[str, ...]
    content_hash: str

    @classmethod
    def read(cls, document: Document) -> SupportStudy:
        """Read it from an answer."""
        quality = document.get("quality") or {}
        failed = [
            str(check.get("message", check.get("name", "")))
            for check in quality.get("checks") or []
            if not check.get("passed", True)
        ]
        return cls(
            image=text(document, "image"),
            quality=str(quality.get("state", "unchecked")),
            confirmed_normal=bool(document.get("confirmed_normal", False)),
            remarks=tuple(failed),
            content_hash=str(document.get("content_hash") or ""),
        )


@dataclass(frozen=True)
class SupportSet:
    """A named list of normal studies."""

    name: str
    title: str
    usable: bool
    read_only: bool
    quality: str
    statement: str
    studies: tuple[SupportStudy, ...]

    @classmethod
    def read(cls, document: Document) -> SupportSet:
        """Read it from an answer."""
        quality = document.get("quality") or {}
        name = text(document, "name")
        return cls(
            name=name,
            title=str(document.get("title") or name),
            usable=bool(document.get("usable", False)),
            read_only=bool(document.get("read_only", False)),
            quality=str(quality.get("state", "unchecked")),
            statement=str(quality.get("statement") or ""),
            studies=tuple(SupportStudy.read(study) for study in document.get("studies") or ()),
        )


@dataclass(frozen=True)
class JobState:
    """Where an analysis on the server stands."""

    job: str
    version: int
    state: str
    step: str
    fraction: float
    queue_position: int | None
    reused: bool
    result: str | None
    problem: ExplainedError | None

    @classmethod
    def read(cls, document: Document) -> JobState:
        """Read it from an answer."""
        error = document.get("error")
        problem = None
        if error:
            problem = ExplainedError(
                str(error.get("message", "The analysis failed.")),
                str(error.get("remedy", "")),
                str(error.get("code", "failed")),
            )
        return cls(
            job=text(document, "id"),
            version=int(number(document, "version")),
            state=text(document, "state"),
            step=str(document.get("step") or ""),
            fraction=float(document.get("fraction") or 0.0),
            queue_position=document.get("queue_position"),
            reused=bool(document.get("reused", False)),
            result=document.get("result"),
            problem=problem,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"done", "failed", "cancelled"}


@dataclass(frozen=True)
class NextCase:
    """The case that a strategy proposes."""

    image: str
    reason: str
    remaining: int

    @classmethod
    def read(cls, document: Document) -> NextCase:
        """Read it from an answer."""
        return cls(
            image=text(document, "image"),
            reason=str(document.get("reason") or ""),
            remaining=int(document.get("remaining") or 0),
        )


@dataclass(frozen=True)
class FinalLabel:
    """Where the final segmentation of a review went.

    Attributes:
        in_pacs: whether a PACS has it; None where the server has no PACS.
        pacs_error: why the PACS does not have it.
    """

    in_pacs: bool | None
    pacs_error: str = ""

    @classmethod
    def read(cls, document: Document) -> FinalLabel:
        """Read it from an answer."""
        pacs = document.get("pacs")
        if not isinstance(pacs, dict):
            return cls(None)
        error = pacs.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        return cls(bool(pacs.get("stored")), str(message or ""))

    @property
    def statement(self) -> str:
        """One sentence for the reviewer."""
        if self.in_pacs is None:
            return "Saved: the final segmentation and the review are on the server."
        if self.in_pacs:
            return "Saved: the final segmentation is on the server and, as DICOM, in the PACS."
        return (
            "Saved on the server, but the PACS does not have it "
            f"({self.pacs_error or 'no reason given'}). Save again to try again."
        )


@dataclass(frozen=True)
class CaseCalibration:
    """How often the highest score of a normal case exceeds a threshold.

    Attributes:
        normal_patients: how many confirmed normals, none of them in the support set, the rates
            rest on.
        statement: what these normals can and cannot certify.
        curve: pairs of threshold and conformal false-positive rate, by rising threshold.
    """

    normal_patients: int
    statement: str
    curve: tuple[tuple[float, float], ...]

    @classmethod
    def read(cls, document: Document) -> CaseCalibration:
        """Read it from an answer."""
        curve = sorted(
            (number(point, "threshold"), number(point, "false_positive_rate"))
            for point in document.get("curve") or ()
        )
        return cls(
            normal_patients=int(number(document, "normal_patients")),
            statement=str(document.get("statement") or ""),
            curve=tuple(curve),
        )

    def false_positive_rate(self, threshold: float) -> float | None:
        """The bound on the share of normal cases that exceed a threshold; None without normals.

        The conformal bound (1 + number of normals above) / (n + 1) is a step function of the
        threshold: it is that of the highest calibrated threshold at or below the given one.
        """
        if not self.normal_patients:
            return None
        return min((rate for known, rate in self.curve if known <= threshold), default=1.0)

    def statement_at(self, threshold: float) -> str:
        """One sentence to stand beside the threshold."""
        rate = self.false_positive_rate(threshold)
        if rate is None:
            return (
                "Expected false-positive rate unknown: no normal patient outside the support set "
                "is confirmed yet."
            )
        plural = "" if self.normal_patients == 1 else "s"
        return (
            f"At most {rate:.0%} of normal cases score above this somewhere "
            f"({self.normal_patients} normal patient{plural} outside the support set)."
        )
