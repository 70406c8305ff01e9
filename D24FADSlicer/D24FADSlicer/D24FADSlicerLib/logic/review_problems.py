"""What a reviewer is told where others have changed the review meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from .language import tr as _
from .messages import ExplainedError
from .review_events import Entry, Event


def problem_of_others(others: Sequence[Entry]) -> ExplainedError:
    """Why a final label was not stored: its reviewer has not seen what others wrote."""
    return ExplainedError(
        _("{names} changed the review meanwhile; the final segmentation was not stored.").format(
            names=_names(others)
        ),
        _("Look at what the list says now, then save again."),
        "review_changed",
    )


def _names(others: Sequence[Entry]) -> str:
    names = sorted({entry.reviewer for entry in others if entry.reviewer})
    return ", ".join(names) or _("Somebody else")


def problem_of_refused(refused: Sequence[Event], others: Sequence[Entry]) -> ExplainedError:
    """Why decisions were not sent.

    Args:
        refused: the decisions, at least one.
        others: what others have written meanwhile.
    """
    numbers = sorted({event.finding for event in refused if event.finding is not None})
    of_finding, of_study = (
        _("{names} changed the review of finding {numbers} meanwhile; yours was not sent."),
        _("{names} changed the review of this study meanwhile; yours was not sent."),
    )
    return ExplainedError(
        (of_finding if numbers else of_study).format(
            names=_names(others), numbers=", ".join(map(str, numbers))
        ),
        _("Look at what the list says now, then decide again."),
        "review_changed",
    )
