"""What the panel says of a case and of where its findings are."""

from __future__ import annotations

from ..logic.changes import SincePrior
from ..logic.findings import Analysis, Finding
from ..logic.language import tr as _


def where(finding: Finding) -> str:
    """A place for a narrow column: the region where it is known; the unit is in the header."""
    position = finding.place.replace(" mm", "").replace("  ", " ")
    return f"{finding.region}: {position}" if finding.region else position


def case_line(analysis: Analysis | None) -> str:
    """The case score, what changed since a prior, and reasons to doubt the result."""
    if analysis is None:
        return _("No result yet.")
    score = analysis.case_sentence or _("Case score {score:.1f}.").format(score=analysis.case_score)
    warnings = [_("Warning: {text}").format(text=warning) for warning in analysis.warnings]
    changes = _changes_line(analysis.since_prior)
    return " ".join((score, *changes, *warnings, analysis.statement)).strip()


def _changes_line(since: SincePrior | None) -> list[str]:
    """What changed since the prior, one sentence; none where there was no prior."""
    if since is None:
        return []
    if not since.changes:
        return [_("No change since {prior}.").format(prior=since.prior)]
    changes = ", ".join(change.words for change in since.changes)
    return [_("Since {prior}: {changes}.").format(prior=since.prior, changes=changes)]
