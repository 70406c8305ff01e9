"""What is said of results."""

from typing import Annotated, Any

from pydantic import WithJsonSchema
from typing_extensions import NotRequired, TypedDict

from d24fad_core.detection.result import WarningCode
from d24fad_core.export.report_schema import REPORT_SCHEMA
from monailabel_app.api.answers.described import described, schema_of
from monailabel_app.api.answers.options import AnalysisOptions

Report = Annotated[dict[str, Any], WithJsonSchema(REPORT_SCHEMA)]
"""The report as it was stored, see docs/report-schema.md."""


@described
class ResultWarning(TypedDict):
    """A reason to doubt a result."""

    code: WarningCode
    """What kind of reason, see docs/report-schema.md."""
    sentence: str
    """What is strange, with the values."""
    remedy: str
    """What to do about it."""


@described
class ResultLinks(TypedDict):
    """Addresses on this server."""

    self: str
    """Of the result."""
    report: str
    """Of the report alone."""
    heatmap: str
    """Of the heatmap, .nii.gz."""
    mask: str
    """Of the mask, .nii.gz."""
    overlay: str
    """Of the picture, PNG."""
    review: str
    """Of the review."""
    image: str
    """Of the image."""


@described
class ResultAnswer(TypedDict):
    """A stored analysis."""

    id: str
    """Hash over the inputs; equal inputs have equal ids."""
    image: str
    """Image id of the query."""
    image_sha256: str
    """Hash of its content."""
    support_set: str | None
    """Name of the support set; null where the studies were given one by one."""
    support: list[str]
    """Image ids of the support studies."""
    support_hash: str
    """Hash over their content."""
    checkpoint_hash: str
    """Names the weights."""
    options: Annotated[dict[str, Any], schema_of(AnalysisOptions)]
    """The options of the analysis."""
    comparison: str
    """How the image was compared with the normals: `window`, `translated` or `learned`."""
    comparison_reason: str | None
    """Why, where the request left it to the server; null where it named it."""
    case_score: float
    """One score for the whole study, z units."""
    peak_score: float
    """Highest score of a voxel, z units."""
    threshold: float
    """Score above which a voxel belongs to the mask, z units."""
    finding_count: int
    """Number of findings."""
    created: str
    """When, ISO 8601, UTC."""
    version: str
    """Of the package that made it."""
    schema: int
    """Results of different schemas do not compare."""
    warnings: list[ResultWarning]
    """Reasons to doubt it."""
    notice: str
    """Research use only. Not for clinical use."""
    links: ResultLinks
    """Addresses on this server."""
    case_sentence: NotRequired[str]
    """The case score and how it stands among the normals, in words, where their scores are known;
    not in the list of results."""
    report: NotRequired[Report]
    """Findings, slice scores, calibration and provenance; not in the list of results."""


@described
class ResultList(TypedDict):
    """Stored analyses."""

    items: list[ResultAnswer]
    """The newest first."""


@described
class StoredObject(TypedDict):
    """A DICOM object that the PACS has taken."""

    kind: str
    """What it is."""
    series_instance_uid: str
    """Its series."""
    sop_instance_uid: str
    """The object."""


@described
class StoredObjects(TypedDict):
    """DICOM objects that the PACS has taken."""

    items: list[StoredObject]
    """One for each kind."""
