"""Why something was refused or failed."""

from typing_extensions import TypedDict

from monailabel_app.api.answers.described import described


@described
class ErrorObject(TypedDict):
    """Why something was refused or failed."""

    code: str
    """A short name, see docs/http-api.md."""
    message: str
    """What is wrong, with the value."""
    remedy: str
    """What to do about it; may be empty."""
