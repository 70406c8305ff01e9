"""The `params` field of MONAI Label's forms: a JSON object as text."""

import json
from typing import Any

from monailabel_app.failures import RequestError


def parse_params(params: str) -> dict[str, Any]:
    """The object; empty where nothing was sent.

    Raises:
        RequestError: it is no JSON, or no object.
    """
    try:
        values = json.loads(params or "{}")
    except json.JSONDecodeError as error:
        raise RequestError(
            "bad_request", f"'params' is not JSON: {error}.", "Send a JSON object."
        ) from error
    if not isinstance(values, dict):
        raise RequestError("bad_request", "'params' is not an object.", "Send a JSON object.")
    return values
