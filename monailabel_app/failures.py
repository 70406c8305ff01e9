"""How a request that cannot be served is refused: a code, what is wrong and what to do."""

import errno
import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from safetensors import SafetensorError

from d24fad_core.errors import (
    CancelledError,
    CheckpointError,
    ConfigurationError,
    D24FADError,
    InputError,
    SupportError,
)

logger = logging.getLogger(__name__)

STATE_FOLDER = ".d24fad"
"""The server's own folder inside the studies folder DIR."""

STATUS_OF_CODE = {
    "bad_request": 400,
    "bad_identifier": 400,
    "unauthorised": 401,
    "remote_access_refused": 403,
    "route_closed": 403,
    "origin_refused": 403,
    "unknown_route": 404,
    "unknown_model": 404,
    "unknown_image": 404,
    "unknown_support_set": 404,
    "unknown_job": 404,
    "unknown_result": 404,
    "unknown_finding": 404,
    "unknown_upload": 404,
    "unknown_checkpoint": 404,
    "nothing_left": 404,
    "method_not_allowed": 405,
    "already_exists": 409,
    "in_use": 409,
    "read_only": 409,
    "review_changed": 409,
    "findings_open": 409,
    "findings_accepted": 409,
    "too_few_normals": 409,
    "studies_changed": 409,
    "uploads_not_supported": 409,
    "no_dicom_source": 409,
    "no_pacs": 409,
    "no_prior": 409,
    "cancelled": 409,
    "request_timeout": 408,
    "length_required": 411,
    "too_large": 413,
    "too_few_supports": 422,
    "support_mismatch": 422,
    "prior_mismatch": 422,
    "unreadable_image": 422,
    "unsuitable_image": 422,
    "hash_mismatch": 422,
    "queue_full": 429,
    "internal_error": 500,
    "pacs_unreachable": 502,
    "out_of_memory": 507,
    "disk_full": 507,
}

_CODE_OF_STATUS = {404: "unknown_route", 405: "method_not_allowed", 401: "unauthorised"}
_CODE_OF_ERROR: tuple[tuple[type[D24FADError], str], ...] = (
    (SupportError, "support_mismatch"),
    (InputError, "unsuitable_image"),
    (ConfigurationError, "bad_request"),
    (CancelledError, "cancelled"),
    (CheckpointError, "internal_error"),
)


class RequestError(D24FADError):
    """A request that is refused.

    Args:
        code: one of `STATUS_OF_CODE`; it decides the HTTP status.
        cause: what is wrong, with the value: a sentence.
        remedy: what to do about it: a sentence.
        extra: further members of the answer's body (e.g. the current review).
    """

    def __init__(
        self, code: str, cause: str, remedy: str, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(cause, remedy)
        self.code = code
        self.status = STATUS_OF_CODE[code]
        self.extra = extra or {}

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}".strip()

    def document(self) -> dict[str, str]:
        """The error object of an answer or of a failed job."""
        return {"code": self.code, "message": self.cause, "remedy": self.remedy}


def refusal(error: Exception) -> RequestError:
    """Put any exception into the form that clients get; an unforeseen one is logged."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, D24FADError):
        code = next((c for kind, c in _CODE_OF_ERROR if isinstance(error, kind)), "bad_request")
        return RequestError(code, *error.sentences())
    if isinstance(error, requests.RequestException):
        return RequestError(
            "pacs_unreachable",
            f"The PACS did not answer ({type(error).__name__}).",
            "Try again; ask the operator whether it runs.",
        )
    if isinstance(error, MemoryError):
        return RequestError(
            "out_of_memory",
            "The server has too little memory for this study.",
            "Try again when fewer studies are analysed, or give the server more memory.",
        )
    if _is_full_disk(error):
        logger.error("The disk is full: %s", error)
        return RequestError(
            "disk_full",
            f"The server's disk is full{_place(error)}; nothing was stored.",
            "Ask the operator to free space, then try again.",
        )
    logger.error("A request failed for an unforeseen reason", exc_info=error)
    return RequestError(
        "internal_error",
        f"The server failed ({type(error).__name__}).",
        "Ask the operator to look at the server's log.",
    )


def _is_full_disk(error: Exception) -> bool:
    if isinstance(error, SafetensorError):
        return f"os error {errno.ENOSPC})" in str(error)  # it has no number of its own
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _place(error: Exception) -> str:
    """Where it is full, as an operator knows it: what lies above the studies is nobody's matter."""
    path = getattr(error, "filename", None)
    if not path:
        return ""
    parts = Path(str(path)).parts
    if STATE_FOLDER in parts:
        return f" where 'DIR/{'/'.join(parts[parts.index(STATE_FOLDER) : -1])}' lies"
    return f" where '{parts[-2] if len(parts) > 1 else parts[-1]}' lies"


def refusal_of_status(status: int, detail: str) -> RequestError:
    """Put an HTTP error of the stock server into the form that clients get."""
    code = _CODE_OF_STATUS.get(status, "bad_request" if status < 500 else "internal_error")
    failure = RequestError(code, detail or HTTPStatus(status).phrase, "See docs/http-api.md.")
    failure.status = status
    return failure


def body(failure: RequestError) -> dict[str, Any]:
    """The JSON body of an error answer; `detail` is for clients that show only that."""
    return {"error": failure.document(), "detail": str(failure), **failure.extra}
