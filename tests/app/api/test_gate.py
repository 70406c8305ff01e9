"""Who may ask, what may be asked, and how much may be sent."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monailabel_app.api.gate import Gate, is_plain_name
from monailabel_app.configuration import ServerConfiguration

LIMIT_MB = 1


def client(
    configuration: ServerConfiguration | None = None,
    origins: tuple[str, ...] = (),
    address: str = "127.0.0.1",
    host: str = "http://127.0.0.1:8000",
) -> TestClient:
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"bytes": len(await request.body())})

    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "DELETE"])])
    app.add_middleware(
        Gate,
        configuration=configuration or ServerConfiguration(upload_mb=LIMIT_MB),
        origins=origins,
    )
    return TestClient(app, base_url=host, client=(address, 50000))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/reload"),
        ("POST", "/reload/"),
        ("PUT", "/model/anomaly"),
        ("DELETE", "/model/anomaly"),
        ("POST", "/infer/wsi/anomaly"),
        ("POST", "/infer/wsi_v2/anomaly"),
        ("GET", "/logs/gpu"),
        ("POST", "/proxy/dicom/studies"),
        ("PUT", "/session/"),
        ("PUT", "/session"),
        ("GET", "/session/abc"),
        ("DELETE", "/session/abc"),
    ],
)
def test_closed_routes(method: str, path: str) -> None:
    answer = client().request(method, path)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "route_closed"


@pytest.mark.parametrize(
    "query",
    [
        "tag=../../x",
        "tag=a/b",
        "tag=..",
        "image=/etc/passwd",
        "image=..%2Fx",
        "image=..%252Fx",
        "image=..\\x",
        "id=a%00b",
        "label=../x&tag=final",
        "session_id=../x",
        "uncompress=true",
        "image=....//x",
        "image=.",
        "id=~/../x",
        "label=C:\\x",
        "tag=%2e%2e",
    ],
)
def test_names_that_leave_their_folder(query: str) -> None:
    answer = client().put(f"/datastore/label?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_identifier"


def test_ordinary_requests_pass() -> None:
    assert client().get("/datastore/image?image=case.01 (T1)").status_code == 200
    assert client().put("/datastore/label?image=a&tag=", content=b"abc").json() == {"bytes": 3}
    assert client(host="http://localhost:8000").get("/info/").status_code == 200
    assert client(host="http://[::1]:8000", address="::1").get("/info/").status_code == 200


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7", "http://127.0.0.1:8000"),
        ("127.0.0.1", "http://rebound.example:8000"),
        ("127.0.0.1", "http://127.0.0.1.example.org"),
    ],
)
def test_other_machines_are_refused_until_the_operator_allows_them(address: str, host: str) -> None:
    answer = client(address=address, host=host).get("/info/")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "remote_access_refused"
    allowed = ServerConfiguration(allow_remote=True)
    assert client(allowed, address=address, host=host).get("/info/").status_code == 200


def test_web_pages_of_other_origins_are_refused() -> None:
    own, foreign = "http://127.0.0.1:8000", "https://viewer.example"
    assert client().get("/info/", headers={"Origin": own}).status_code == 200
    refusal = client().get("/info/", headers={"Origin": foreign})
    assert refusal.json()["error"]["code"] == "origin_refused"
    assert client().get("/info/", headers={"Origin": "null"}).status_code == 403
    named = client(origins=(f"{foreign}/",))
    assert named.get("/info/", headers={"Origin": foreign}).status_code == 200


def test_the_token() -> None:
    guarded = client(ServerConfiguration(token="secret"))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
        answer = guarded.get("/info/", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/info/", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_a_body_above_the_limit_is_refused_with_or_without_its_length() -> None:
    part = b"x" * (1 << 18)

    def parts(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield part

    fits = client().put("/datastore/label", content=parts(4))
    assert fits.json() == {"bytes": 4 * len(part)}
    for content in (parts(5), b"".join(parts(5))):
        answer = client().put("/datastore/label", content=content)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize("path", ["/info/", "/session/x", "/ohif/index.html"])
def test_every_answer_keeps_other_pages_out(path: str) -> None:
    headers = client().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    viewer = path.startswith("/ohif")
    assert headers["x-frame-options"] == ("SAMEORIGIN" if viewer else "DENY")
    policy = headers["content-security-policy"]
    assert "frame-ancestors" in policy
    assert ("default-src 'none'" in policy) is not viewer


def stalled(messages: list[Message], route: ASGIApp, patience: float = 0.05) -> list[Message]:
    """What a client is told that sends these parts and then nothing more."""
    sent: list[Message] = []
    waiting = list(messages)

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits that long")

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "PUT",
        "path": "/datastore/label",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
    }
    gate = Gate(route, configuration=ServerConfiguration(), origins=(), patience=patience)

    async def run() -> None:
        await asyncio.wait_for(gate(scope, receive, send), 60)

    asyncio.run(run())
    return sent


def test_a_request_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    monkeypatch.setattr("monailabel_app.api.gate._LINGER_SECONDS", 0.05)
    sent = stalled([{"type": "http.request", "body": b"half", "more_body": True}], route)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"request_timeout" in sent[1]["body"]


def test_a_slow_answer_to_a_whole_request_is_waited_for() -> None:
    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        gone = asyncio.create_task(receive())  # as a route that watches for its client does
        await asyncio.sleep(0.3)
        gone.cancel()
        await JSONResponse({"bytes": len(body)})(scope, receive, send)

    sent = stalled([{"type": "http.request", "body": b"whole", "more_body": False}], route)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("name", ["a", "a.b", "1.2.840.1", "case (1)", "Ö", "a..b"])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\\b", "%2e%2e", "a%2Fb", "a%252fb", "\0"])
def test_names_that_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)
