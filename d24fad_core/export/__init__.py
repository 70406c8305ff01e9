"""Results as files: NIfTI, JSON report, table, picture, page."""

from d24fad_core.export.findings_table import write_findings
from d24fad_core.export.folder import WrittenFiles, write_result
from d24fad_core.export.nifti import write_heatmap, write_mask, write_ranks
from d24fad_core.export.overlay import write_overlay
from d24fad_core.export.report import REPORT_SCHEMA, report_document, write_report

__all__ = [
    "REPORT_SCHEMA",
    "WrittenFiles",
    "report_document",
    "write_findings",
    "write_heatmap",
    "write_mask",
    "write_overlay",
    "write_ranks",
    "write_report",
    "write_result",
]
