"""Results as files: NIfTI, JSON report, table, picture, page."""

from d24fad_core.export.findings_table import write_findings
from d24fad_core.export.folder import ChangeFiles, WrittenFiles, write_change_result, write_result
from d24fad_core.export.nifti import write_heatmap, write_mask, write_ranks
from d24fad_core.export.pictures.overlay import write_overlay
from d24fad_core.export.report import (
    CHANGE_REPORT_SCHEMA,
    REPORT_SCHEMA,
    change_report_document,
    report_document,
    write_report,
)

__all__ = [
    "CHANGE_REPORT_SCHEMA",
    "REPORT_SCHEMA",
    "ChangeFiles",
    "WrittenFiles",
    "change_report_document",
    "report_document",
    "write_change_result",
    "write_findings",
    "write_heatmap",
    "write_mask",
    "write_overlay",
    "write_ranks",
    "write_report",
    "write_result",
]
