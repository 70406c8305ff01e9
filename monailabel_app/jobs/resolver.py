"""From what a client says to an analysis: the studies found, the parameters checked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from monailabel_app.analysis.analyses import AnalysisRequest
from monailabel_app.analysis.parameters import (
    MINIMUM_SUPPORTS,
    AnalysisParameters,
    parse_parameters,
)
from monailabel_app.failures import RequestError
from monailabel_app.normals.support_sets import DEFAULT_SET, SupportSets
from monailabel_app.studies.images import ImageCatalogue, Study


class AnalysisResolver:
    """Finds the query and the support studies of a request.

    Args:
        images: the studies of the server.
        support_sets: the named sets.
    """

    def __init__(self, images: ImageCatalogue, support_sets: SupportSets) -> None:
        self._images = images
        self._support_sets = support_sets

    def __call__(self, options: Mapping[str, Any]) -> AnalysisRequest:
        """Resolve what a client of MONAI Label sent.

        Args:
            options: `image`, an image id, or `uploaded`, the path of a file that came with the
                request (only the server's own code sets it); and the analysis parameters.

        Raises:
            RequestError: an image or support set is unknown, the set too small, a value wrong.
        """
        parameters = parse_parameters(options)
        uploaded = options.get("uploaded")
        image = options.get("image")
        if isinstance(uploaded, Path):
            return self._analysis(Study("uploaded image", uploaded), parameters)
        if isinstance(image, str) and image:
            return self.analysis(image, parameters)
        raise RequestError("bad_request", "The request names no image.", "Give the id of an image.")

    def analysis(self, image: str, parameters: AnalysisParameters) -> AnalysisRequest:
        """The analysis of an image of the server.

        Args:
            image: its id.
            parameters: checked.

        Raises:
            RequestError: an image or support set is unknown, or the set too small.
        """
        return self._analysis(self._images.study(image), parameters)

    def _analysis(self, query: Study, parameters: AnalysisParameters) -> AnalysisRequest:
        if parameters.support is None:
            parameters = replace(
                parameters, support_set=parameters.support_set or self._support_sets.default_name
            )
        names = self._support(parameters.support, parameters.support_set, query.name)
        prior = None if parameters.prior is None else self._prior(parameters.prior, query.name)
        return AnalysisRequest(query, tuple(map(self._images.study, names)), parameters, prior)

    def _prior(self, image: str, query: str) -> Study:
        if image == query:
            raise RequestError(
                "prior_mismatch",
                f"The image '{query}' is named as its own prior.",
                "Give an earlier study of the patient.",
            )
        return self._images.study(image)

    def _support(
        self, names: tuple[str, ...] | None, support_set: str | None, query: str
    ) -> tuple[str, ...]:
        """The support's image ids: those given, or those of the set without the query itself."""
        if names is not None:
            if query in names:
                raise RequestError(
                    "support_mismatch",
                    f"The image '{query}' is among its own support studies.",
                    "Leave it out of 'support'.",
                )
            return names
        name = support_set or DEFAULT_SET
        members = self._support_sets.get(name).images
        usable = tuple(image for image in members if image != query)
        if len(usable) < MINIMUM_SUPPORTS:
            raise RequestError(
                "too_few_supports",
                f"The support set '{name}' has {len(usable)} "
                f"{'study' if len(usable) == 1 else 'studies'} besides the image itself; at least "
                f"{MINIMUM_SUPPORTS} are needed.",
                "Add normal studies of the same kind to the set, or name them in 'support'.",
            )
        return usable
