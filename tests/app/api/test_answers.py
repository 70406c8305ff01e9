"""What the routes answer is described field by field, and nothing of it is changed on the way."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultRecord
from monailabel_app.api import job_routes, result_routes
from monailabel_app.api.installation import own_routers
from monailabel_app.api.job_routes import job_document
from monailabel_app.api.openapi import describe_routes
from monailabel_app.api.prefix import PREFIX
from monailabel_app.jobs.job import Job, JobState, JobStore
from monailabel_app.jobs.queue import JobQueue
from monailabel_app.jobs.requests import (
    DetectionRequest,
    JobRequest,
    QualityRequest,
    ScoringRequest,
    TrainingRequest,
)
from monailabel_app.jobs.training_options import TrainingOptions
from monailabel_app.store.database import Database

FILES = {
    ("get", "/images/{image}/file"),
    ("get", "/results/{result}/heatmap"),
    ("get", "/results/{result}/mask"),
    ("get", "/results/{result}/overlay"),
    ("get", "/results/{result}/change/{part}"),
    ("get", "/results/{result}/dicom/{kind}"),
    ("get", "/results/{result}/review/masks/{sha256}"),
    ("get", "/results/{result}/review/final"),
    ("get", "/reviews/export"),
}
"""What answers with a file; all else answers with JSON, or with nothing."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    server = FastAPI()
    services: Any = None  # the routes do not look at them before they are asked
    for router in own_routers(services):
        server.include_router(router)
    describe_routes(server, token=False)
    return server.openapi()


def answers(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Method, path and schema of each answer that has a body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status.startswith("2") and "content" in answer:
                    schema = answer["content"]["application/json"]["schema"]
                    yield method, path.removeprefix(PREFIX), schema


def test_every_answer_has_a_type(document: dict[str, Any]) -> None:
    untyped = {(method, path) for method, path, schema in answers(document) if schema == {}}
    assert untyped == FILES
    for method, path, schema in answers(document):
        if (method, path) not in FILES:
            assert "$ref" in schema or path.endswith("/report"), (method, path)


def test_every_field_of_an_answer_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {"ServerAnswer", "ImageAnswer", "JobAnswer", "ReviewAnswer"} <= schemas.keys()
    bodies = {name for name in schemas if name.endswith(("Body", "Change"))} | {"Error"}
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if name not in bodies
        for field, described in schema.get("properties", {}).items()
        # A reference may leave the words to what it refers to.
        if not described.get("description") and "$ref" not in described
    ]
    assert bare == []


def test_a_report_is_described_by_its_own_schema(document: dict[str, Any]) -> None:
    report = document["components"]["schemas"]["ResultAnswer"]["properties"]["report"]
    assert {"findings", "slice_scores", "provenance"} <= report["properties"].keys()
    assert "$defs" not in json.dumps(document)


def served(router: Any, services: Any) -> TestClient:
    server = FastAPI()
    server.include_router(router(services))
    return TestClient(server)


def text_of(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


PARAMETERS = AnalysisParameters(support=("ä", "b"), support_set="brain", prior="earlier")


@pytest.mark.parametrize(
    "request_",
    [
        DetectionRequest("bild-ö", PARAMETERS, abandon_after_s=60.0),
        ScoringRequest("brain", ("a", "b")),
        ScoringRequest("brain"),
        QualityRequest("brain", abandon_after_s=5.5),
        TrainingRequest("brain", TrainingOptions(), ("a",), ("b",)),
    ],
    ids=lambda request: request.kind.value,
)
def test_a_job_is_answered_as_it_is(database: Database, request_: JobRequest) -> None:
    services: Any = SimpleNamespace(jobs=JobQueue(JobStore(database), 10))
    error = {"code": "internal_error", "message": "It failed.", "remedy": ""}
    job = Job.create(request_).changed(state=JobState.FAILED, fraction=1.0, error=error)
    services.jobs.submit(job)
    answer = served(job_routes.router, services).get(f"{PREFIX}/jobs/{job.id}")
    assert answer.text == text_of(job_document(services, job))
    assert list(answer.json())[: len(request_.document())] == list(request_.document())


def test_what_other_versions_stored_is_answered_as_it_is() -> None:
    record = ResultRecord(
        id="1" * 32,
        image="bild-ö",
        image_sha256="2" * 64,
        support_set=None,
        support=("a", "b"),
        support_hash="3" * 64,
        checkpoint_hash="4" * 64,
        options={"threshold": 3, "of_a_later_version": [1, 2.5, None]},
        case_score=1.0,
        peak_score=1e-07,
        threshold=0.1 + 0.2,
        finding_count=0,
        created="2026-11-30T00:00:00Z",
        warnings=(AnalysisWarning(WarningCode.OTHER_SIZE, "It is large.", "Look."),),
    )
    report = {"schema_version": "0.9", "case_score": 1, "of_a_later_version": {"x": [0.5]}}
    results = SimpleNamespace(
        get=lambda identifier: SimpleNamespace(record=record, report=report),
        records=lambda image: [record],
    )
    client = served(result_routes.router, SimpleNamespace(results=results))
    answer = client.get(f"{PREFIX}/results/{record.id}").json()
    assert answer["report"] == report
    assert answer["options"] == record.options
    assert answer["warnings"] == [
        {"code": "other_size", "sentence": "It is large.", "remedy": "Look."}
    ]
    assert answer["notice"] == RESEARCH_USE_ONLY
    assert client.get(f"{PREFIX}/results/{record.id}/report").json() == report
    assert "case_sentence" not in answer, "nothing is known of the normals"
    (listed,) = client.get(f"{PREFIX}/results").json()["items"]
    assert listed == {name: value for name, value in answer.items() if name != "report"}
