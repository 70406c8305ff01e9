"""What went wrong, as a cause and a remedy that a radiologist can act on."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

from .language import tr as _


def research_use_only() -> str:
    """The notice that stands wherever results appear."""
    return _("Research use only. Not for clinical use.")


class ExplainedError(Exception):
    """A failure with its cause and what to do about it.

    Attributes:
        cause: one sentence on what happened.
        remedy: one sentence on what to do; may be empty.
        code: a short name: the server's own error code, or one of this module's
            (`refused`, `timeout`, `disconnected`, `wrong_app`, `wrong_version`, `tls`, ...).
    """

    def __init__(self, cause: str, remedy: str = "", code: str = "problem") -> None:
        super().__init__(f"{cause} {remedy}".strip())
        self.cause = cause
        self.remedy = remedy
        self.code = code

    @property
    def server_is_away(self) -> bool:
        """Whether the same call may succeed later without anybody changing anything."""
        return self.code in {"refused", "timeout", "disconnected", "truncated", "gateway"}


class CancelledError(Exception):
    """The user cancelled; nothing to tell."""


def problem_of_connection(error: Exception, address: str) -> ExplainedError:
    """Say why no answer came.

    Args:
        error: what the socket or the HTTP layer raised.
        address: the server's address as the user typed it.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return ExplainedError(
            _("The certificate of {address} cannot be trusted ({reason}).").format(
                address=address, reason=error.verify_message
            ),
            _(
                "Ask the operator for the certificate of their authority (a .pem file), and choose "
                "it beside Authority in the Setup tab."
            ),
            "tls",
        )
    if isinstance(error, ssl.SSLError):
        return ExplainedError(
            _("{address} does not speak TLS ({reason}).").format(
                address=address, reason=error.reason or error
            ),
            _("Try the address with http:// instead of https://."),
            "tls",
        )
    if isinstance(error, socket.gaierror):
        return ExplainedError(
            _("The name of the server in {address} is not known.").format(address=address),
            _("Check the spelling of the address, or the network."),
            "unknown_host",
        )
    if isinstance(error, ConnectionRefusedError):
        return ExplainedError(
            _("Nothing listens at {address}.").format(address=address),
            _(
                "Start the server there (monailabel start_server --app monailabel_app "
                "--studies ...), correct the address or port, or choose This computer in the "
                "Setup tab, which needs no server."
            ),
            "refused",
        )
    if isinstance(error, (TimeoutError, socket.timeout)):  # two classes in Python 3.9
        return ExplainedError(
            _("{address} did not answer in time.").format(address=address),
            _("Check the network and the load of the server, then try again."),
            "timeout",
        )
    return ExplainedError(
        _("The connection to {address} broke ({reason}).").format(
            address=address, reason=str(error) or type(error).__name__
        ),
        _("Check that the server still runs; the panel reconnects by itself."),
        "disconnected",
    )


def problem_of_answer(status: int, body: bytes, address: str) -> ExplainedError:
    """Say why the server refused, from its own words where it gives some.

    Args:
        status: the HTTP status, 400 or above.
        body: the answer as it came.
        address: the server's address as the user typed it.
    """
    error = _error_object(body)
    if error is not None:
        refused = _("The server refused ({status}).").format(status=status)
        return ExplainedError(
            str(error.get("message") or refused),
            str(error.get("remedy") or ""),
            str(error.get("code") or f"http_{status}"),
        )
    if status in (401, 403):
        return ExplainedError(
            _("{address} wants an access token.").format(address=address),
            _("Enter the token that the operator gave you in the Setup tab."),
            "unauthorised",
        )
    if status == 404:
        return ExplainedError(
            _("{address} answers, but there is no D24FAD server behind it.").format(
                address=address
            ),
            _("Check the address and port; a path such as /label belongs to the address."),
            "not_found",
        )
    if status in (502, 503, 504):
        return ExplainedError(
            _("A proxy at {address} answers, but the server behind it does not ({status}).").format(
                address=address, status=status
            ),
            _(
                "Wait a moment; if it stays so, have the operator start the server "
                "or lengthen the proxy's time limit."
            ),
            "gateway",
        )
    if status == 413:
        return ExplainedError(
            _("The server or its proxy refuses an upload of this size."),
            _("Crop the volume, or have the operator raise the limit."),
            "too_large",
        )
    return ExplainedError(
        _("The server answered with an error ({status}) and no explanation.").format(status=status),
        _("Look into the server's log."),
        f"http_{status}",
    )


def _error_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body.decode("utf-8"))
    except ValueError:
        return None
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else None
