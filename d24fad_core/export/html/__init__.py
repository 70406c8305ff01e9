"""The report as one HTML file that opens anywhere, without a network."""

from d24fad_core.export.html.archive_page import ArchiveEntry, write_archive_page
from d24fad_core.export.html.writer import write_change_html, write_html

__all__ = ["ArchiveEntry", "write_archive_page", "write_change_html", "write_html"]
