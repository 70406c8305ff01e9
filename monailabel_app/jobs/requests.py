"""What each kind of job is asked for, checked once: when it is made, or read after a restart."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from pydantic import ValidationInfo

from monailabel_app.analysis.parameters import AnalysisParameters, parse_parameters
from monailabel_app.failures import RequestError
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.training_options import TrainingOptions


@dataclass(frozen=True)
class JobRequest(ABC):
    """What a job is asked for.

    Attributes:
        kind: the kind of job that does it.
        abandon_after_s: it is cancelled when no client has asked for it for so long; None never.
    """

    kind: ClassVar[JobKind]
    abandon_after_s: float | None = field(default=None, kw_only=True)

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """As clients see it and as it is stored, every default written out."""

    @classmethod
    @abstractmethod
    def parse(cls, document: Mapping[str, Any]) -> "JobRequest":
        """From its document; what an earlier version did not write has its default.

        Raises:
            RequestError: a value is of a wrong type or out of range.
            KeyError: what cannot be left out is missing.
        """


@dataclass(frozen=True)
class DetectionRequest(JobRequest):
    """Analyse one image.

    Attributes:
        image: its id.
        parameters: `support` names the normal studies as they were when the job was asked for,
            `support_set` the set that they come from; None where the client named them.
    """

    kind = JobKind.DETECT
    image: str
    parameters: AnalysisParameters

    def document(self) -> dict[str, Any]:
        """As clients see it and as it is stored."""
        return {**_document(self.parameters, self.abandon_after_s), "image": self.image}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "DetectionRequest":
        """From its document."""
        parameters, patience = _parse(document)
        return cls(document["image"], parameters, abandon_after_s=patience)


def _defaults() -> AnalysisParameters:
    return parse_parameters({})


@dataclass(frozen=True)
class ScoringRequest(JobRequest):
    """Analyse many images with a support set.

    Attributes:
        support_set: name of the set.
        images: their ids; None for all.
        parameters: those of each analysis; they name no set.
    """

    kind = JobKind.SCORE
    support_set: str
    images: tuple[str, ...] | None = None
    parameters: AnalysisParameters = field(default_factory=_defaults)

    def document(self) -> dict[str, Any]:
        """As clients see it and as it is stored."""
        parameters = replace(self.parameters, support_set=self.support_set)
        names = None if self.images is None else list(self.images)
        return {**_document(parameters, self.abandon_after_s), "images": names}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "ScoringRequest":
        """From its document."""
        parameters, patience = _parse(document)
        images = document.get("images")
        return cls(
            document["support_set"],
            None if images is None else tuple(images),
            replace(parameters, support_set=None),
            abandon_after_s=patience,
        )


@dataclass(frozen=True)
class QualityRequest(JobRequest):
    """Check the studies of a support set.

    Attributes:
        support_set: name of the set.
        parameters: what a client says about analyses, which the check does not depend on.
    """

    kind = JobKind.QUALITY
    support_set: str
    parameters: AnalysisParameters = field(default_factory=_defaults)

    def document(self) -> dict[str, Any]:
        """As clients see it and as it is stored."""
        parameters = replace(self.parameters, support_set=self.support_set)
        return _document(parameters, self.abandon_after_s)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "QualityRequest":
        """From its document."""
        parameters, patience = _parse(document)
        return cls(
            document["support_set"], replace(parameters, support_set=None), abandon_after_s=patience
        )


@dataclass(frozen=True)
class TrainingRequest(JobRequest):
    """Go on training.

    Attributes:
        support_set: name of the set that the normals were scored with.
        options: how.
        images: ids of the studies to learn from, as they were when the job was asked for.
        held_out: ids of those to judge by.
    """

    kind = JobKind.TRAIN
    support_set: str
    options: TrainingOptions
    images: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As clients see it and as it is stored."""
        return {
            "support_set": self.support_set,
            "options": asdict(self.options),
            "images": list(self.images),
            "held_out": list(self.held_out),
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "TrainingRequest":
        """From its document."""
        return cls(
            document["support_set"],
            TrainingOptions.parse(document.get("options", {})),
            tuple(document.get("images", ())),
            tuple(document.get("held_out", ())),
        )


_OF_KIND: Mapping[JobKind, type[JobRequest]] = {
    request.kind: request
    for request in (DetectionRequest, ScoringRequest, QualityRequest, TrainingRequest)
}


def parse_request(value: Any, info: ValidationInfo) -> JobRequest:
    """The request of a job that is read from its document.

    Raises:
        ValueError: it is none of the job's kind.
    """
    if isinstance(value, JobRequest):
        return value
    try:
        return _OF_KIND[info.data["kind"]].parse(value)
    except (RequestError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"It cannot be read: {error}") from error


def request_document(request: JobRequest) -> dict[str, Any]:
    """The document that a request is stored as."""
    return request.document()


def _document(parameters: AnalysisParameters, abandon_after_s: float | None) -> dict[str, Any]:
    return {
        "support_set": parameters.support_set,
        "support": None if parameters.support is None else list(parameters.support),
        "options": parameters.document(),
        "abandon_after_s": abandon_after_s,
    }


def _parse(document: Mapping[str, Any]) -> tuple[AnalysisParameters, float | None]:
    support = document.get("support")
    parameters = replace(
        parse_parameters(document.get("options", {})),
        # These were found on the server: a set may have more studies than a client may name.
        support=None if support is None else tuple(support),
        support_set=document.get("support_set"),
    )
    patience = document.get("abandon_after_s")
    return parameters, None if patience is None else float(patience)
