"""What a killed server leaves is cleared away, and nothing else."""

import os
from pathlib import Path

from monailabel_app.studies.leftovers import remove_leftovers


def test_unfinished_files_go_and_finished_ones_stay(tmp_path: Path) -> None:
    state = tmp_path / ".d24fad"
    (state / "results" / ".partial-a").mkdir(parents=True)
    (state / "results" / ".partial-a" / "mask.nii.gz").write_text("half")
    (state / "jobs").mkdir()
    (state / "jobs" / ".partial-b.json").write_text("{")
    (state / "jobs" / "j-1.json").write_text("{}")
    (tmp_path / "labels" / "final").mkdir(parents=True)
    old = [tmp_path / ".partial-c.nii.gz", tmp_path / "labels" / "final" / ".partial-d.nii.gz"]
    for path in old:
        path.write_text("half")
        os.utime(path, (0, 0))
    being_written = tmp_path / ".partial-e.nii.gz"
    being_written.write_text("another program is at it")

    remove_leftovers(tmp_path, state)

    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == [".d24fad/jobs/j-1.json", ".partial-e.nii.gz"]
    assert not (state / "results" / ".partial-a").exists()
