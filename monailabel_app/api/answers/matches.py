"""Where a place of an image lies in its support studies."""

from typing_extensions import TypedDict

from monailabel_app.api.answers.described import described


@described
class PlaceAnswer(TypedDict):
    """A position in a study."""

    ras_mm: list[float]
    """Position in mm, RAS."""
    voxel: list[int] | None
    """Nearest voxel; null outside the volume."""
    slice: int | None
    """Its index along `slice_axis`; null outside the volume."""


@described
class MatchAnswer(TypedDict):
    """The place in one support study."""

    image: str
    """Image id of the study."""
    share: float
    """Its share of the weight."""
    slice_axis: int
    """Axis of its array along which its slices are stacked."""
    query_to_support: list[list[float]]
    """4x4 matrix from a position of the image to the position of the study, RAS, mm."""
    slices: list[int | None]
    """For each slice of the image the study's slice; null where nothing was compared."""
    place: PlaceAnswer | None
    """The place; null where none was asked for."""


@described
class MatchesAnswer(TypedDict):
    """Where a place of an image lies in its support studies."""

    result: str
    """Id of the result."""
    image: str
    """Image id of the query."""
    plane: str
    """Plane whose slices are counted."""
    slice_axis: int
    """Axis of the image's array along which its slices are stacked."""
    place: PlaceAnswer | None
    """The place in the image; null where none was asked for."""
    items: list[MatchAnswer]
    """The support studies, in the order of the result."""
