"""Results as a BIDS derivative dataset."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.archive.study_row import StudyRow
from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.bids.dataset import BIDS_VERSION, DESCRIPTION_FILE, read_object
from d24fad_core.bids.scan_name import ScanName
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.detection.source_grid import on_source_grid
from d24fad_core.errors import InputError
from d24fad_core.export import write_heatmap, write_mask, write_ranks, write_report
from d24fad_core.export.html import write_html
from d24fad_core.export.pictures.overlay import write_overlay
from d24fad_core.files import whole_file, write_text
from d24fad_core.io.reading import study_name
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Volume

DESCRIPTION = "anomaly"
"""Value of `desc` in the name of every result."""
CHOICES_FILE = Path("code", "d24fad.json")
"""What made the results of a dataset, so that no others are put among them."""

# The standard has no suffix for maps of z, reports, pictures and pages.
_IGNORED: tuple[str, ...] = ("*_heatmap.nii.gz", "*_heatmap.json", "*_report.json", "*_report.html")
_IGNORED += ("*_overlay.png", "group_*")
_LINK = "raw"
_README = f"""# Anomaly maps

{RESEARCH_USE_ONLY}

Made by d24fad {__version__}. Of each scan there are

- `desc-{DESCRIPTION}_heatmap.nii.gz`: scores in z, standard deviations of the normals' own maps
- `desc-{DESCRIPTION}_mask.nii.gz`: 1 where a finding is
- `desc-{DESCRIPTION}_dseg.nii.gz` and `.tsv`: the findings by rank
- `desc-{DESCRIPTION}_report.json`: findings, calibration, warnings, provenance
- `desc-{DESCRIPTION}_overlay.png`, `desc-{DESCRIPTION}_report.html`: to look at

`group_desc-{DESCRIPTION}_scans.tsv` is the table of all scans, `code/d24fad.json` says what made
the results.
"""


def derived_path(out: Path, entry: str, suffix: str, extension: str) -> Path:
    """Where a result of a scan lies.

    Args:
        out: the derivative dataset.
        entry: the scan's path within its own dataset.
        suffix: of the result.
        extension: of the result, with the dot.

    Raises:
        ValueError: the scan has no BIDS name.
    """
    name = ScanName.parse(Path(entry).name)
    if name is None:
        raise ValueError(f"{entry} is no BIDS name")
    return out / Path(entry).parent / name.derived(suffix, extension, DESCRIPTION)


def report_path(out: Path, entry: str) -> Path:
    """Where the report of a scan lies; it is there once all other results are."""
    return derived_path(out, entry, "report", ".json")


def report_of(out: Path, entry: str) -> dict[str, Any] | None:
    """The report of a scan; None where there is none.

    Names of results leave out the kind of the scan, so that the report may be of another scan.

    Args:
        out: the derivative dataset.
        entry: the scan's path within its own dataset.

    Raises:
        InputError: the file cannot be read.
    """
    path = report_path(out, entry)
    if not path.is_file():
        return None
    report = read_object(path)
    of_this = report.get("provenance", {}).get("query_name") == study_name(Path(entry))
    return report if of_this else None


def start_dataset(out: Path, raw: Path) -> None:
    """Write what makes a folder a derivative dataset; what is there already stays.

    Args:
        out: the folder; made if it does not exist.
        raw: the dataset that it is derived from.

    Raises:
        InputError: the folder holds another dataset.
    """
    path = out / DESCRIPTION_FILE
    description = {
        "Name": "Anomaly maps by D24FAD",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "d24fad",
                "Version": __version__,
                "Description": f"Few-shot anomaly detection. {RESEARCH_USE_ONLY}",
                "CodeURL": "https://github.com/d24fad/d24fad",
            }
        ],
        "DatasetLinks": {_LINK: _relative(raw, out)},
    }
    if path.exists():
        makers = json.loads(path.read_text(encoding="utf-8")).get("GeneratedBy") or [{}]
        if makers[0].get("Name") != "d24fad":
            raise InputError(f"{out}: holds another dataset", "give a folder of its own for OUT.")
    for place, text in (
        (path, json.dumps(description, indent=2) + "\n"),
        (out / "README.md", _README),
        (out / ".bidsignore", "\n".join(_IGNORED) + "\n"),
    ):
        if not place.exists():
            write_text(place, text)


@dataclass(frozen=True)
class DerivativeWriter:
    """Writes the results of a scan beside those of the others.

    Attributes:
        out: the derivative dataset.
        pages: whether a page is written too.
    """

    out: Path
    pages: bool = True

    def __call__(
        self,
        study: ListedStudy,
        query: Volume,
        result: AnomalyResult,
        normals: Sequence[MatchedNormal],
    ) -> None:
        """Write them; they take their names together, the report last."""

        def place(suffix: str, extension: str) -> Path:
            return derived_path(self.out, study.entry, suffix, extension)

        report = report_path(self.out, study.entry)
        with ExitStack() as together:
            write_report(result, together.enter_context(whole_file(report)))
            for write, suffix in (
                (write_heatmap, "heatmap"),
                (write_mask, "mask"),
                (write_ranks, "dseg"),
            ):
                write(result, together.enter_context(whole_file(place(suffix, ".nii.gz"))))
                sidecar = together.enter_context(whole_file(place(suffix, ".json")))
                write_text(sidecar, json.dumps(_sidecar(suffix, study.entry), indent=2) + "\n")
            table = together.enter_context(whole_file(place("dseg", ".tsv")))
            write_text(table, _findings_table(result))
            picture = together.enter_context(whole_file(place("overlay", ".png")))
            write_overlay(query, result, picture)
            if self.pages:
                page = together.enter_context(whole_file(place("report", ".html")))
                write_html(query, result, page, normals)


class DerivativeRows:
    """The scans that have results, and why others have none.

    Args:
        out: the derivative dataset.
        studies: the scans of this run.
    """

    def __init__(self, out: Path, studies: Sequence[ListedStudy]) -> None:
        self._out = out
        self._studies = studies
        self.failures: list[StudyRow] = []

    def append(self, rows: Sequence[StudyRow]) -> None:
        """Note the failures; the results of the others are files already."""
        self.failures.extend(row for row in rows if row.error)

    def finished(self) -> dict[str, float]:
        """The scans that have a report, and when it was written.

        Raises:
            InputError: where a report would lie, there is one of another scan.
        """
        done = {}
        for study in self._studies:
            path = report_path(self._out, study.entry)
            if report_of(self._out, study.entry) is not None:
                done[study.identifier] = path.stat().st_mtime
            elif path.exists():
                raise InputError(
                    f"{path}: is of another scan than {study.entry}",
                    "a derivative holds one kind of scan, so give another folder for OUT.",
                )
        return done


def _sidecar(suffix: str, entry: str) -> Mapping[str, Any]:
    meaning = {
        "heatmap": {
            "Description": "Anomaly score in z: standard deviations of the normals' own maps",
            "Units": "z",
        },
        "mask": {"Description": "1 where a finding is", "Type": "ROI"},
        "dseg": {"Description": "Findings by rank; 0 where there is none"},
    }[suffix]
    return {
        **meaning,
        "Sources": [f"bids:{_LINK}:{entry}"],
        "SpatialReference": f"bids:{_LINK}:{entry}",
        "Notice": RESEARCH_USE_ONLY,
    }


def _findings_table(result: AnomalyResult) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, delimiter="\t", lineterminator="\n")
    table.writerow(("index", "name"))
    for finding in on_source_grid(result).findings:
        place = "" if finding.place is None else f": {finding.place}"
        table.writerow((finding.rank, f"finding {finding.rank}{place}"))
    return stream.getvalue()


def _relative(raw: Path, out: Path) -> str:
    return Path(os.path.relpath(raw.resolve(), out.resolve())).as_posix()
