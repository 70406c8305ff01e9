"""The options of an analysis, as they stand on record."""

from typing_extensions import NotRequired, TypedDict

from monailabel_app.api.answers.described import described


@described
class AnalysisOptions(TypedDict):
    """The options of an analysis, defaults written out."""

    prior: NotRequired[str]
    """Image id of an earlier study of the patient; absent without one."""
    planes: list[str]
    """Planes that were analysed; the first leads."""
    threshold: float | None
    """Threshold in z units that was asked for; null takes that of the normals."""
    minimum_volume_ml: float
    """Smaller findings are left out."""
    ct_window: str
    """Window that CT is seen in."""
    register: bool
    """Whether the normals were registered to the image."""
    modality: str | None
    """`MR` or `CT` where the request says so."""
    brain: NotRequired[str]
    """How heads are stripped; absent in results of before this was kept."""
    comparison: NotRequired[str]
    """The comparison that was asked for, `auto` where none was; absent in results of before this
    was kept."""
