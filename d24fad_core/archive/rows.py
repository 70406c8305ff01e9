"""One row a study, in Parquet files that are written as the scan goes on."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.archive.study_row import StudyRow
from d24fad_core.errors import InputError
from d24fad_core.files import whole_file

_SCHEMA = pa.schema(
    [
        pa.field("identifier", pa.string(), nullable=False),
        pa.field("study", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("case_score", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("normal_patients", pa.int32()),
        pa.field("threshold", pa.float64()),
        pa.field("peak_scores", pa.list_(pa.float64())),
        pa.field("volumes_ml", pa.list_(pa.float64())),
        pa.field("centroids_ras_mm", pa.list_(pa.list_(pa.float64()))),
        pa.field("warnings", pa.list_(pa.string())),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("checkpoint_hash", pa.string(), nullable=False),
    ],
    metadata={"notice": RESEARCH_USE_ONLY},
)


class RowFolder:
    """A folder of Parquet files that together are the table; readers take the folder as one.

    Args:
        folder: made if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, rows: Sequence[StudyRow]) -> None:
        """Write rows as one more file, whole or not at all."""
        if not rows:
            return
        table = pa.Table.from_pylist([asdict(row) for row in rows], _SCHEMA)
        number = 1 + max((int(path.stem) for path in self._files()), default=0)
        with whole_file(self._folder / f"{number:08d}.parquet") as temporary:
            pq.write_table(table, temporary)

    def finished(self) -> dict[str, float]:
        """The studies that have a row without error, and when its file was written.

        Raises:
            InputError: a file of the folder is no table of a scan.
        """
        done: dict[str, float] = {}
        for path in self._files():
            time = path.stat().st_mtime
            try:
                table = pq.read_table(path, columns=["identifier", "error"])
            except (OSError, pa.ArrowException) as error:
                raise InputError(
                    f"{path}: is no table of a scan ({error})",
                    "give another --out folder, or delete the file and its studies are analysed "
                    "again.",
                ) from error
            for identifier, error_text in zip(*table.to_pydict().values(), strict=True):
                done.pop(identifier, None)
                if not error_text:
                    done[identifier] = time
        return done

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.parquet") if path.stem.isdigit())


def read_rows(folder: Path) -> list[StudyRow]:
    """The last row of each study, in the order in which they came."""
    rows: dict[str, StudyRow] = {}
    for path in sorted(folder.glob("*.parquet")):
        for values in pq.read_table(path).to_pylist():
            rows[values["identifier"]] = StudyRow(**values)
    return list(rows.values())
