"""What is checked of every request before any route sees it, the stock ones included."""

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import RequestError, body
from monailabel_app.studies.receiving import too_large

_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3}|localhost")

_CLOSED: tuple[tuple[str, str, str], ...] = (
    # method, path, what to do instead
    ("POST", r"/reload/?", "Restart the server."),
    ("PUT|DELETE", r"/model/.*", "Start the server with --conf checkpoint FOLDER."),
    ("POST", r"/infer/wsi(_v2)?/.*", "Slide images are not analysed here."),
    ("GET", r"/logs/gpu/?", "Ask the operator to run nvidia-smi."),
    ("POST", r"/proxy/.*", "Results are stored by the server itself."),
    (
        "GET|PUT|DELETE",
        r"/session(/.*)?",
        "Send the image with PUT /d24fad/v1/uploads/{sha256}, or as the form of its analysis.",
    ),
)

# Names that the stock routes join to a folder.
_NAMES = frozenset({"image", "label", "id", "tag", "session_id"})
_LINGER_SECONDS = 10.0
# Swagger UI sets styles of its own; nothing comes from, or goes to, another host.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_VIEWER_POLICY = "frame-ancestors 'self'"
_TAG = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Gate:
    """ASGI middleware: who may ask, what may be asked, and how much may be sent.

    Args:
        app: what comes behind.
        configuration: the operator's settings.
        origins: web origins that the operator allows besides the server's own.
        patience: seconds without a part of a request's body until it is given up.
    """

    def __init__(
        self,
        app: ASGIApp,
        configuration: ServerConfiguration,
        origins: Sequence[str],
        patience: float = 60.0,
    ) -> None:
        self._app = app
        self._configuration = configuration
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        self._limit = configuration.upload_mb << 20
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or answer that it is refused."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(scope["path"], send)
        try:
            self._check(scope)
        except RequestError as failure:
            headers = {"WWW-Authenticate": "Bearer"} if failure.status == 401 else {}
            await _refuse(failure, headers, scope, receive, send)
            return
        await self._bounded(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if not self._configuration.allow_remote:
            _check_local(scope, headers)
        self._check_origin(headers)
        if self._configuration.token and scope["method"] != "OPTIONS":
            self._check_token(headers)
        _check_open(scope["method"], scope["path"])
        _check_names(scope["query_string"].decode("latin-1"))
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._limit:
            raise too_large(self._limit)

    def _check_origin(self, headers: Headers) -> None:
        """A web page of another site, open in a browser on this machine, may not ask."""
        origin = headers.get("origin")
        if origin is None or origin.rstrip("/") in self._origins:
            return
        if urlsplit(origin).netloc != headers.get("host"):
            raise RequestError(
                "origin_refused",
                f"Web pages of {origin[:100]} may not use this server.",
                "Ask the operator to name them in MONAI_LABEL_CORS_ORIGINS.",
            )

    def _check_token(self, headers: Headers) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        secret = self._configuration.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), secret):
            raise RequestError(
                "unauthorised",
                "The request has no valid token.",
                "Send 'Authorization: Bearer TOKEN' with the operator's token.",
            )

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes without a Content-Length, or with a wrong one; give up what stalls."""
        total = 0
        complete = answered = False
        failure: RequestError | None = None

        async def counted() -> Message:
            nonlocal total, complete, failure
            # Once all is here, what comes next is that the client goes away, whenever that is.
            patience = None if complete or answered else self._patience
            try:
                message = await asyncio.wait_for(receive(), patience)
            except asyncio.TimeoutError:
                failure = _stalled(self._patience)
                return {"type": "http.disconnect"}
            if message["type"] == "http.request":
                total += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if total > self._limit:
                    failure = failure or too_large(self._limit)
            # To the route it looks as if the client had gone, so it stops and tidies up.
            return {"type": "http.disconnect"} if failure else message

        async def answer(message: Message) -> None:
            nonlocal answered
            if failure and not answered:
                answered = True
                await _answer_and_close(failure, scope, receive, send)
            elif not failure:
                answered = answered or message["type"] == "http.response.start"
                await send(message)

        try:
            await self._app(scope, counted, answer)
        except ClientDisconnect:
            if not failure:
                return  # the client went away; nobody is left to answer
        if failure and not answered:
            await _answer_and_close(failure, scope, receive, send)


def _with_headers(path: str, send: Send) -> Send:
    """Send what tells browsers that nothing here is for the pages of others."""
    # OHIF brings workers and inline scripts; it may be framed by itself alone.
    viewer = path.startswith("/ohif")
    policy = _VIEWER_POLICY if viewer else _PAGE_POLICY
    secure = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN" if viewer else "DENY",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
    }

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in secure.items():
                headers[name] = value
        await send(message)

    return sent


def _stalled(seconds: float) -> RequestError:
    return RequestError(
        "request_timeout",
        f"Nothing of the request's body came for {seconds:.0f} s.",
        "Send it again, over a connection that holds.",
    )


async def _answer_and_close(
    failure: RequestError, scope: Scope, receive: Receive, send: Send
) -> None:
    await _refuse(failure, {"Connection": "close"}, scope, receive, send)


async def _refuse(
    failure: RequestError, headers: Mapping[str, str], scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer at once, then take in what is still being sent, for a while.

    A connection that is closed with unread data may take the answer with it before a proxy has
    read it.
    """

    async def unfinished(message: Message) -> None:
        await send({**message, "more_body": True} if "body" in message else message)

    async def drained() -> None:
        message = await receive()
        while message["type"] == "http.request" and message.get("more_body", False):
            message = await receive()

    answer = JSONResponse(body(failure), failure.status, headers=headers)
    await answer(scope, receive, unfinished)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(drained(), _LINGER_SECONDS)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _check_local(scope: Scope, headers: Headers) -> None:
    client = scope.get("client")
    host = headers.get("host", "localhost")
    name = urlsplit(f"//{host}").hostname or ""
    # The name is checked too: a web page can make its own name point to this machine.
    if (client and not _LOOPBACK.fullmatch(client[0])) or not _LOOPBACK.fullmatch(name):
        raise RequestError(
            "remote_access_refused",
            "This server answers only clients on its own machine, by the name localhost.",
            "Ask the operator to put it behind an authenticating proxy (--conf allow_remote true).",
        )


def is_closed(method: str, path: str) -> bool:
    """Whether a route of the stock server is not offered here."""
    return _remedy(method, path) is not None


def _remedy(method: str, path: str) -> str | None:
    """What to do instead of asking a closed route; None of an open one."""
    for methods, pattern, remedy in _CLOSED:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, path):
            return remedy
    return None


def _check_open(method: str, path: str) -> None:
    remedy = _remedy(method, path)
    if remedy is not None:
        raise RequestError(
            "route_closed", f"{method} {path[:100]} is not offered by this server.", remedy
        )


def _check_names(query: str) -> None:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "tag" and value and not _TAG.fullmatch(value):
            raise _bad_name(name, value, "letters, digits, '_' and '-'")
        if name in _NAMES and not is_plain_name(value):
            raise _bad_name(name, value, "a plain name without folders")
        if name == "uncompress" and value.lower() not in ("", "0", "false"):
            raise _bad_name(name, value, "false: archives are not taken")


def is_plain_name(value: str) -> bool:
    """Whether a name stays inside the folder that it is joined to, however often it is decoded."""
    decoded = unquote(unquote(value))
    return not any(
        part in text for text in (value, decoded) for part in ("/", "\\", "\0")
    ) and decoded not in (".", "..")


def _bad_name(name: str, value: str, rule: str) -> RequestError:
    return RequestError("bad_identifier", f"'{name}' is {value[:100]!r}.", f"It must be {rule}.")
