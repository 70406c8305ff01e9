"""The D24FAD server as the panel uses it.

The interface is described in `docs/http-api.md`; all knowledge of it is in the modules of this
folder, one for each part.
"""

from __future__ import annotations

from ..logic.jobs import Cancellation
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import ServerInfo
from .analyses import AnalysisCalls
from .images import ImageCalls
from .reviews import ReviewCalls
from .supports import SupportCalls


class Client(ImageCalls, SupportCalls, AnalysisCalls, ReviewCalls):
    """All calls of the server."""

    def info(self, cancellation: Cancellation | None = None) -> ServerInfo:
        """Test the connection.

        Raises:
            ExplainedError: nobody answers, or somebody else, or another version; says what to do.
        """
        try:
            return ServerInfo.read(self._get("/", cancellation, limit_s=10.0))
        except ExplainedError as problem:
            if problem.code in ("not_found", "unknown_route"):
                raise self._who_else(cancellation) or problem from problem
            raise

    def _who_else(self, cancellation: Cancellation | None) -> ExplainedError | None:
        """Whether it is a MONAI Label server with another app."""
        try:
            other = self._http.document("GET", "/info/", cancellation, limit_s=10.0)
        except ExplainedError:
            return None
        name = other.get("name")
        return name and ExplainedError(
            _("A MONAI Label server with another app answers there ('{name}').").format(name=name),
            _("Start it with --app monailabel_app of D24FAD."),
            "wrong_app",
        )
