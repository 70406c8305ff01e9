"""The pages for people: nothing of them comes from another host, and the list of routes is true."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from d24fad_core import RESEARCH_USE_ONLY
from monailabel_app.api import page_routes
from monailabel_app.api.gate import Gate
from monailabel_app.api.openapi import describe_routes
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import RequestError, body
from monailabel_app.normals.support_sets import Member, SupportSetRecord

PAGES = ("/", "/docs/", "/logs/")


@pytest.fixture
def client(tmp_path: Any) -> TestClient:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text("first\nsecond <script>\nthird\n")
    record = SupportSetRecord("brain", "<b>Brain</b>", members=(Member("a"), Member("b")))
    app: Any = SimpleNamespace(
        images=SimpleNamespace(identifiers=lambda: ("a", "b", "c")),
        support_sets=SimpleNamespace(names=lambda: ("brain",), get=lambda name: record),
        studies_kind="folder",
    )
    server = FastAPI(docs_url=None, redoc_url=None)
    server.include_router(page_routes.router(app, tmp_path / "logs" / "app.log"))
    server.add_middleware(Gate, configuration=ServerConfiguration(), origins=())
    return TestClient(server, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000))


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_a_page_comes_from_another_host(client: TestClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    parts = re.findall(r"(?:src|href)=\"([^\"]+)\"", answer.text)
    assert parts
    for part in parts:
        assert not re.match(r"[a-z]+:|//", part), part
    for part in re.findall(r"(?:src|link rel=\"stylesheet\" href)=\"([^\"]+)\"", answer.text):
        assert client.get(page + part).status_code == 200, part
    assert "<script>" not in answer.text, "the policy lets no inline script run"


def test_the_landing_page_says_what_this_is(client: TestClient) -> None:
    page = client.get("/").text
    assert RESEARCH_USE_ONLY in page
    assert "3 images" in page
    assert "<td>brain</td><td>&lt;b&gt;Brain&lt;/b&gt;</td><td>2</td>" in page
    assert "Slicer" in page and "OHIF" in page and 'href="docs/"' in page


def test_the_log_is_shown_as_text(client: TestClient) -> None:
    page = client.get("/logs/?lines=2").text
    assert "second &lt;script&gt;" in page and "first" not in page
    plain = client.get("/logs/?text=true")
    assert plain.text.splitlines()[0] == "first"
    assert plain.headers["content-type"].startswith("text/plain")
    assert client.get("/logs/?lines=0").status_code == 422


def test_docs_leads_to_its_folder_and_no_other_file_is_served(client: TestClient) -> None:
    assert client.get("/docs").url.path == "/docs/"
    with pytest.raises(Exception, match=r"There is no file 'docs\.html'"):
        client.get("/pages/docs.html")


def listed(*, token: bool) -> Any:
    server = FastAPI()

    @server.get("/twice/{name}", summary="Ours", operation_id="ours")
    @server.get("/session/{session_id}")
    @server.delete("/model/{model}")
    @server.post("/infer/wsi_v2/{model}")
    @server.get("/twice/{name}", summary="The stock server's")
    def route(limit: int = 0) -> None: ...

    server.router.routes.reverse()  # decorators add the lowest first
    describe_routes(server, token=token)
    return server.openapi()


def test_closed_routes_are_not_listed_and_ours_are_described() -> None:
    paths = listed(token=False)["paths"]
    assert set(paths) == {"/twice/{name}"}
    assert paths["/twice/{name}"]["get"]["summary"] == "Ours"


@pytest.mark.parametrize(("token", "entry"), [(True, [{"token": []}]), (False, [])])
def test_the_token_is_listed(token: bool, entry: list[Any]) -> None:
    document = listed(token=token)
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == entry


def test_errors_are_described_as_they_are_answered() -> None:
    document = listed(token=False)
    responses = document["paths"]["/twice/{name}"]["get"]["responses"]
    assert "422" not in responses
    assert responses["default"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Error"
    }
    described = document["components"]["schemas"]["Error"]["properties"]
    answered = body(RequestError("bad_request", "message", "remedy"))
    assert described.keys() == answered.keys()
    assert described["error"]["properties"].keys() == answered["error"].keys()
    assert not {"HTTPValidationError", "ValidationError"} & document["components"]["schemas"].keys()
