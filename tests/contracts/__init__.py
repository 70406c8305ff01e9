"""What the server and its clients must agree on, as data that the tests of both read."""

import json
from pathlib import Path
from typing import Any

REVIEWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "reviews.json").read_text(encoding="utf-8")
)
"""Logs of reviews: `events` in, `state`, `note` and `states` (state and outline by finding) out."""
