"""What a job is asked for: parsed once, stored as JSON, and read as earlier servers wrote it."""

import json
from dataclasses import replace

import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Plane
from monailabel_app.analysis.parameters import AnalysisParameters, parse_parameters
from monailabel_app.jobs.job import Job, JobStore
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.requests import (
    DetectionRequest,
    JobRequest,
    QualityRequest,
    ScoringRequest,
    TrainingRequest,
)
from monailabel_app.jobs.training_options import TrainingOptions
from monailabel_app.store.database import Database
from monailabel_app.store.schema import JOBS, insert

PARAMETERS = AnalysisParameters(
    support=("normal-1", "normal-2"),
    support_set="brain",
    modality=Modality.MR,
    brain=BrainMask.NONE,
    prior="earlier",
    options=DetectionOptions(
        planes=(Plane.AXIAL, Plane.CORONAL),
        threshold=3.5,
        register=False,
        comparison=ComparisonKind.TRANSLATED,
    ),
)
REQUESTS = [
    DetectionRequest("case", PARAMETERS, abandon_after_s=60.0),
    DetectionRequest("case", replace(PARAMETERS, support_set=None, prior=None)),
    ScoringRequest("brain"),
    ScoringRequest("brain", ("a", "b"), abandon_after_s=5.0),
    QualityRequest("brain"),
    TrainingRequest("brain", TrainingOptions(epochs=2, ct_window="lung"), ("a",), ("b",)),
]

OPTIONS_OF_EARLIER = (
    '{"planes": ["axial"], "threshold": null, "minimum_volume_ml": 0.1, "ct_window": "body", '
    '"register": true, "modality": null}'
)
"""As the server of commit 59395e2 wrote them, before there were brain masks and comparisons."""
EARLIER = {
    '{"support_set": "brain"}': QualityRequest("brain"),
    f'{{"support_set": "brain", "images": null, "options": {OPTIONS_OF_EARLIER}}}': ScoringRequest(
        "brain"
    ),
    f'{{"support_set": "brain", "support": null, "options": {OPTIONS_OF_EARLIER}, '
    '"abandon_after_s": 60, "images": ["a"]}': ScoringRequest("brain", ("a",), abandon_after_s=60),
    f'{{"support_set": "brain", "support": ["b", "c"], "options": {OPTIONS_OF_EARLIER}, '
    '"abandon_after_s": null, "image": "a"}': DetectionRequest(
        "a", replace(parse_parameters({}), support_set="brain", support=("b", "c"))
    ),
    '{"support_set": "brain", "options": {"epochs": 5, "steps": 50, "learning_rate": 0.0002, '
    '"seed": 0, "ct_window": "body"}, "images": ["a"], "held_out": ["b"]}': TrainingRequest(
        "brain", TrainingOptions(), ("a",), ("b",)
    ),
}


def store_row(database: Database, kind: JobKind, request: str) -> None:
    """A row as an earlier server wrote it."""
    row = f'{{"id": "j-1", "kind": "{kind.value}", "request": {request}, "created": "2026-11-29"}}'
    with database.transaction() as connection:
        insert(connection, JOBS, "j-1", row)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.kind.value)
def test_a_request_comes_back_from_the_database_as_it_was(
    database: Database, request_: JobRequest
) -> None:
    job = Job.create(request_)
    JobStore(database).save(job)
    assert JobStore(database).load() == [job]
    ((text,),) = database.select(f"SELECT document FROM {JOBS}")
    assert json.loads(text)["request"] == request_.document()


@pytest.mark.parametrize(("row", "request_"), EARLIER.items())
def test_rows_of_earlier_servers_are_read(
    database: Database, row: str, request_: JobRequest
) -> None:
    store_row(database, request_.kind, row)
    (job,) = JobStore(database).load()
    assert job.request == request_
    assert job.kind is request_.kind


def test_a_set_may_have_more_studies_than_a_client_may_name(database: Database) -> None:
    names = tuple(f"normal-{number}" for number in range(40))
    request = DetectionRequest("case", replace(PARAMETERS, support=names))
    JobStore(database).save(Job.create(request))
    (job,) = JobStore(database).load()
    assert job.request == request


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (JobKind.DETECT, '{"support_set": "brain"}'),
        (JobKind.DETECT, '{"image": "a", "options": {"planes": ["oblique"]}}'),
        (JobKind.DETECT, '{"image": "a", "support": 3}'),
        (JobKind.QUALITY, "[]"),
        (JobKind.TRAIN, '{"support_set": "brain", "options": {"epochs": -1}}'),
    ],
)
def test_a_request_that_says_nothing_is_set_aside_alone(
    database: Database, kind: JobKind, row: str
) -> None:
    good = Job.create(QualityRequest("brain"))
    JobStore(database).save(good)
    store_row(database, kind, row)
    assert JobStore(database).load() == [good]
    (note,) = database.all_set_aside()
    assert "'request'" in note.reason


def test_a_job_of_another_kind_is_no_such_request() -> None:
    job = Job.create(QualityRequest("brain"))
    assert job.request_as(QualityRequest) is job.request
    with pytest.raises(TypeError, match="of the kind quality"):
        job.request_as(ScoringRequest)
