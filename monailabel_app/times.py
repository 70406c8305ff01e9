"""Times as the server writes them."""

from datetime import datetime, timezone


def now() -> str:
    """The time in UTC, ISO 8601 with a `Z`."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
