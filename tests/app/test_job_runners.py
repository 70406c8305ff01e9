"""What a job is asked for reaches the analysis as it was parsed when the job was made."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monailabel_app.analysis.analyses import AnalysisRequest
from monailabel_app.analysis.parameters import parse_parameters
from monailabel_app.failures import RequestError
from monailabel_app.job_runners import Detection, ManyDetections
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.requests import DetectionRequest, QualityRequest, ScoringRequest
from monailabel_app.jobs.resolver import AnalysisResolver
from monailabel_app.studies.images import Study

PARAMETERS = parse_parameters({"threshold": 4.5, "brain": "none", "modality": "MR"})
IMAGES = ("case", "other", "n1", "n2", "n3", "n4")


class Bench:
    """The runners over images that are names alone; it notes what would be analysed."""

    def __init__(self) -> None:
        self.requests: list[AnalysisRequest] = []
        self.labelled: list[Any] = []
        images: Any = SimpleNamespace(study=self._study, identifiers=lambda: IMAGES)
        self.sets: Any = SimpleNamespace(
            default_name="default", get=lambda name: SimpleNamespace(images=IMAGES[2:])
        )
        resolve = AnalysisResolver(images, self.sets)
        analyses: Any = SimpleNamespace(run=self._run)
        labels: Any = SimpleNamespace(keep=self.labelled.append)
        self.detect = Detection(analyses, resolve, labels)
        self.score = ManyDetections(analyses, resolve, labels, images, lambda: False)

    def _study(self, name: str) -> Study:
        if name not in IMAGES:
            raise RequestError("unknown_image", f"There is no image '{name}'.", "Choose another.")
        return Study(name, Path(name))

    def _run(self, request: AnalysisRequest, progress: Any) -> Any:
        self.requests.append(request)
        return SimpleNamespace(record=SimpleNamespace(id=f"result-of-{request.query.name}"))


def silent(step: str, fraction: float) -> None:
    """Progress that nobody sees."""


def names(request: AnalysisRequest) -> tuple[str, ...]:
    return tuple(study.name for study in request.support)


def test_a_detection_keeps_its_studies_and_puts_the_sets_name_on_record() -> None:
    """The set may have changed since the job was asked for."""
    bench = Bench()
    parameters = replace(PARAMETERS, support=("n1", "n2"), support_set="brain", prior="other")
    job = Job.create(DetectionRequest("case", parameters))
    assert bench.detect(job, silent) == "result-of-case"
    (request,) = bench.requests
    assert request.query.name == "case" and names(request) == ("n1", "n2")
    assert request.prior is not None and request.prior.name == "other"
    assert request.parameters == replace(parameters, support=None)
    assert len(bench.labelled) == 1


def test_a_detection_with_studies_of_the_clients_names_no_set() -> None:
    bench = Bench()
    parameters = replace(PARAMETERS, support=("n1", "n2"))
    bench.detect(Job.create(DetectionRequest("case", parameters)), silent)
    assert bench.requests[0].parameters == parameters


def test_scoring_takes_the_set_as_it_is_and_passes_over_what_does_not_fit() -> None:
    bench = Bench()
    request = ScoringRequest(
        "brain", ("case", "gone", "n1"), replace(PARAMETERS, support=("x", "y"))
    )
    bench.score(Job.create(request), silent)
    assert [each.query.name for each in bench.requests] == ["case", "n1"]
    assert [names(each) for each in bench.requests] == [IMAGES[2:], ("n2", "n3", "n4")]
    expected = replace(PARAMETERS, support_set="brain")
    assert {each.parameters for each in bench.requests} == {expected}


def test_scoring_without_names_takes_every_image() -> None:
    bench = Bench()
    bench.score(Job.create(ScoringRequest("brain")), silent)
    assert tuple(each.query.name for each in bench.requests) == IMAGES


def test_a_runner_takes_its_own_kind_of_job_alone() -> None:
    with pytest.raises(TypeError, match="of the kind quality"):
        Bench().detect(Job.create(QualityRequest("brain")), silent)
