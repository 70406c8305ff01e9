"""Review log, findings, jobs, volume files and the strip: no Qt, no Slicer."""

from __future__ import annotations

import ast
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from D24FADSlicerLib.logic.changes import Change, SincePrior
from D24FADSlicerLib.logic.colors import color_points, rgb_of, scale_maximum
from D24FADSlicerLib.logic.contrast import READABLE, contrast
from D24FADSlicerLib.logic.findings import Analysis, Finding
from D24FADSlicerLib.logic.jobs import Jobs, Task
from D24FADSlicerLib.logic.matching import Matches
from D24FADSlicerLib.logic.messages import ExplainedError
from D24FADSlicerLib.logic.records import CaseCalibration
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, FindingReview, State
from D24FADSlicerLib.logic.strip import GROUND, MARK, Strip, lay_out, slice_at, slice_columns
from D24FADSlicerLib.logic.volume_file import VolumeData, read_nifti, write_nifti
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from places import MODULE

from monailabel_app.calibration.normal_scale import Calibration, NormalScore

actions = st.lists(
    st.tuples(
        st.sampled_from([Action.ACCEPT, Action.REJECT, Action.NOTE, Action.REOPEN, Action.UNDO]),
        st.integers(1, 3),
    ),
    max_size=12,
)


def replay(steps: list[tuple[Action, int]]) -> Review:
    review = Review()
    for action, finding in steps:
        undone = action is Action.UNDO
        review = review.undo("AB") if undone else review.append(action, finding, "AB", "note")
    return review


@given(actions)
def test_undo_is_the_state_before(steps: list[tuple[Action, int]]) -> None:
    before = replay(steps)
    after = before.append(Action.REJECT, 2, "AB").undo("AB")
    found, expected = after.findings(), before.findings()
    assert {f: found[f] for f in expected} == expected
    assert all(found[f] == FindingReview() for f in found.keys() - expected.keys())
    assert after.study_note == before.study_note
    assert len(after.waiting) == len(before.waiting) + 2


@given(actions)
def test_a_review_survives_the_scene(steps: list[tuple[Action, int]]) -> None:
    import json

    review = replay(steps)
    assert Review.read(json.loads(json.dumps(review.document()))) == review


def test_a_scene_of_an_earlier_version_keeps_what_waited() -> None:
    event = {"action": "accept", "finding": 1, "reviewer": "AB", "time": "t", "note": ""}
    old = {"confirmed": [{**event, "number": 1}], "waiting": [event]}
    review = Review.read(old)
    assert review.of(1).state is State.ACCEPTED
    assert review.waiting[0].key == Review.read(old).waiting[0].key != ""


def test_undo_of_nothing_adds_nothing() -> None:
    assert Review().undo("AB") == Review()
    assert not Review().can_undo


def test_a_note_keeps_the_decision_and_a_decision_the_note() -> None:
    review = Review().append(Action.NOTE, 1, "AB", "vessel?").append(Action.REJECT, 1, "CD")
    assert (review.of(1).state, review.of(1).note) == (State.REJECTED, "vessel?")
    assert review.open_findings([1, 2]) == (2,)


@pytest.mark.parametrize(
    "matrix",
    [None, [], [[1, 0], [0, 1]], [["a"] * 4] * 4, [[float("nan")] * 4] * 4, [[1, 0, 0, 0]] * 3],
)
def test_a_match_without_a_matrix_is_not_understood(matrix: Any) -> None:
    document = {"result": "r", "items": [{"image": "a", "query_to_support": matrix}]}
    with pytest.raises(ExplainedError, match="4x4 matrix"):
        Matches.read(document)


def test_a_match_leads_to_its_place_in_the_support() -> None:
    matrix = [[0.0, -1.0, 0.0, 5.0], [1.0, 0.0, 0.0, 6.0], [0.0, 0.0, 2.0, 7.0], [0, 0, 0, 1]]
    matches = Matches.read({"result": "r", "items": [{"image": "a", "query_to_support": matrix}]})
    assert matches.of("a").place_of((1.0, 2.0, 3.0)) == (3.0, 7.0, 13.0)
    with pytest.raises(ExplainedError, match="'b'"):
        matches.of("b")


def test_the_place_of_a_finding_is_in_a_radiologists_words() -> None:
    finding = Finding(1, 1.0, 5.0, (-12.4, -33.6, 5.2), (1, 2))
    assert finding.place == "L 12  P 34  S 5 mm"


@pytest.mark.parametrize(
    ("place", "region"),
    [
        ({"side": "left", "region": "insula", "certain": True}, "left insula"),
        ({"side": None, "region": "brain stem", "certain": True}, "brain stem"),
        ({"side": "right", "region": "insula", "certain": False}, "right insula?"),
        (None, ""),
    ],
)
def test_the_region_of_a_finding_is_read(place: object, region: str) -> None:
    document = {
        "rank": 1,
        "volume_ml": 1.0,
        "peak_score": 5.0,
        "peak_ras_mm": [1.0, 2.0, 3.0],
        "slice_range": [1, 2],
    }
    assert Finding.read({**document, "place": place}).region == region
    assert Finding.read(document).region == ""


def test_the_false_positive_rate_is_the_conformal_bound() -> None:
    normals = [1.0, 2.0, 2.0, 3.0]
    scores = [NormalScore(str(number), "", score) for number, score in enumerate(normals)]
    curve = tuple(sorted(Calibration.of(scores).curve()))  # as the server has it
    calibration = CaseCalibration(4, "", curve)
    for threshold in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5):
        expected = (1 + sum(n > threshold for n in normals)) / 5
        assert calibration.false_positive_rate(threshold) == pytest.approx(expected)
    assert "20% of normal cases" in calibration.statement_at(9.0)
    assert "unknown" in CaseCalibration(0, "", ()).statement_at(9.0)


affines = hnp.arrays(np.float64, (3, 4), elements=st.floats(-50, 50, width=32)).filter(
    lambda a: abs(np.linalg.det(a[:, :3])) > 1e-2
)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]),
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
        elements=st.integers(0, 100),
    ),
    affines,
)
def test_a_volume_survives_its_file(tmp_path_factory, array, rows) -> None:
    path = tmp_path_factory.mktemp("nifti") / "v.nii.gz"
    affine = np.vstack([rows, [0, 0, 0, 1]])
    first = write_nifti(path, VolumeData(array, affine))
    found = read_nifti(path)
    np.testing.assert_array_equal(found.array, array)
    np.testing.assert_allclose(found.affine, affine, rtol=1e-6)
    assert write_nifti(path, VolumeData(array, affine)) == first


def test_our_files_are_those_of_nibabel(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    affine = np.array([[0, -2, 0.5, 10], [1, 0, 0, -7], [0.2, 0, 3, 5], [0, 0, 0, 1.0]])
    write_nifti(tmp_path / "ours.nii.gz", VolumeData(array, affine))
    image = nibabel.load(tmp_path / "ours.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), array.transpose(2, 1, 0))
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6)


@pytest.mark.parametrize("flip", [1, -1])
def test_a_quaternion_and_a_scale_are_read(tmp_path: Path, flip: int) -> None:
    nibabel = pytest.importorskip("nibabel")
    from nibabel.eulerangles import euler2mat

    affine = np.eye(4)
    affine[:3, :3] = euler2mat(0.3, -0.2, 0.5) @ np.diag([1.0, 2.0, 3.0 * flip])
    affine[:3, 3] = 4, 5, 6
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), None)
    image.header.set_qform(affine, code=1)
    image.header.set_sform(None, code=0)
    image.header.set_slope_inter(0.5, -1)
    nibabel.save(image, tmp_path / "q.nii")
    found = read_nifti(tmp_path / "q.nii")
    np.testing.assert_allclose(found.affine, nibabel.load(tmp_path / "q.nii").affine, atol=1e-5)
    expected = nibabel.load(tmp_path / "q.nii").get_fdata().transpose(2, 1, 0)
    np.testing.assert_allclose(found.array, expected)


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b\x08junk", b"x" * 400, b"\x5c\x01\0\0" + bytes(90)]
)
def test_a_damaged_volume_is_a_clear_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(content)
    with pytest.raises(ExplainedError, match="damaged"):
        read_nifti(tmp_path / "bad.nii.gz")


def drain_until(jobs: Jobs, condition) -> None:
    for _ in range(6000):
        jobs.drain()
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the job never ended")


def test_work_runs_elsewhere_and_is_handed_on_here() -> None:
    jobs, seen = Jobs(), []
    threads = []

    def work(task: Task) -> int:
        threads.append(threading.current_thread())
        task.report("half", 0.5)
        return 7

    jobs.start("v", work, seen.append, seen.append, lambda p: seen.append(p.fraction))
    drain_until(jobs, lambda: jobs.idle)
    assert seen == [0.5, 7]
    assert threads[0] is not threading.current_thread() and threads[0].daemon


def test_a_failure_is_handed_on_and_a_surprise_is_explained() -> None:
    jobs, seen = Jobs(), []
    jobs.start("", lambda task: [][0], seen.append, lambda p: seen.append(p.code))
    drain_until(jobs, lambda: jobs.idle)
    assert seen == ["unexpected"]


def test_late_results_are_dropped() -> None:
    jobs, seen, go = Jobs(), [], threading.Event()
    job = jobs.start("v", lambda task: go.wait(), seen.append, seen.append)
    other = jobs.start("w", lambda task: go.wait(), seen.append, seen.append)
    jobs.cancel_owned("v")
    assert not jobs.is_live(job) and jobs.is_live(other)
    go.set()
    drain_until(jobs, lambda: jobs.idle)
    assert seen == [True]


def test_a_cancelled_worker_ends_at_its_next_report() -> None:
    jobs, ended = Jobs(), threading.Event()

    def work(task: Task) -> None:
        try:
            while True:
                task.report("on and on")
                time.sleep(0.01)
        finally:
            ended.set()

    jobs.start("v", work, print, print)
    jobs.cancel_all()
    assert ended.wait(60)


def strip_of(scores: list[float], current: int | None = 8, width: int = 400) -> Strip:
    return lay_out(scores, 4.0, current, ("I", "S"), width, 84)


def test_the_strip_shows_scores_threshold_and_current_slice() -> None:
    strip = strip_of([0.0] * 5 + [9.0] + [2.0] * 4)
    (hot,) = [box for box in strip.boxes if box.color == tuple(rgb_of(np.array([9.0]), 4.0)[0])]
    assert slice_at(hot.left + hot.width // 2, 10, 400) == 5
    grey = [box for box in strip.boxes if box.width > 2 and box is not hot]
    assert [slice_at(box.left + box.width // 2, 10, 400) for box in grey] == [6, 7, 8, 9]
    assert all(max(box.color) - min(box.color) < 30 for box in grey)
    (mark,) = [box for box in strip.boxes if box.color == MARK]
    assert slice(mark.left, mark.left + 2) == slice_columns(8, 10, 400)
    dots = [box for box in strip.boxes if (box.width, box.height) == (1, 1)]
    assert len({box.top for box in dots}) == 1, "the threshold is a line"
    assert hot.top < dots[0].top < grey[0].top


def test_the_strip_has_an_axis_numbers_and_the_sides_of_the_patient() -> None:
    strip = strip_of([1.0] * 30, current=12)
    assert {word.text for word in strip.words} == {"0", "10", "4.0", "I 1", "30 S", "13"}
    (here,) = [word for word in strip.words if word.text == "13"]
    assert here.color == MARK
    assert all(contrast(word.color, GROUND) >= READABLE for word in strip.words)


@settings(deadline=None)
@given(st.integers(1, 600), st.integers(120, 700), st.data())
def test_the_numbers_of_the_strip_never_touch(count: int, width: int, data) -> None:
    current = data.draw(st.integers(0, count - 1))
    strip = strip_of([1.0] * count, current, width)
    bottom = sorted((w.left, w.left + 6 * len(w.text)) for w in strip.words if w.base > 78)
    assert len(bottom) == 3
    assert all(a[1] < b[0] for a, b in pairwise(bottom))
    assert bottom[-1][1] <= width


@settings(deadline=None)
@given(st.integers(1, 900), st.data())
def test_the_highest_slice_is_seen_however_many_there_are(count: int, data) -> None:
    hottest = data.draw(st.integers(0, count - 1))
    scores = [2.0] * count
    scores[hottest] = 9.0
    bars = [box for box in strip_of(scores, None).boxes if box.height > 1]
    assert bars[-1].height == max(box.height for box in bars)
    assert bars[-1].height > 2 * bars[0].height or count == 1


def test_no_scores_no_strip() -> None:
    assert not strip_of([], None).boxes and not strip_of([], None).words


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(2, 500), st.data())
def test_a_click_on_a_mark_finds_its_slice(count: int, width: int, data) -> None:
    width = max(width, 2 * count + 40)
    index = data.draw(st.integers(0, count - 1))
    columns = slice_columns(index, count, width)
    assert index in {slice_at(c, count, width) for c in range(columns.start, columns.stop)}


def test_the_colors_are_those_of_the_overlays() -> None:
    from matplotlib import colormaps

    scores = np.linspace(0, 10, 50)
    ours = rgb_of(scores, 3.0).astype(int)
    theirs = np.round(np.asarray(colormaps["inferno"](scores / 10))[:, :3] * 255)
    assert np.abs(ours - theirs).max() <= 8
    assert scale_maximum(3.0) == 10.0 and scale_maximum(8.0) == 16.0
    assert color_points(8.0)[-1][0] == 16.0


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda p: p.name)
def test_the_extension_needs_nothing_but_slicer(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    allowed = set(sys.stdlib_module_names) | {
        "numpy",
        "slicer",
        "vtk",
        "qt",
        "ctk",
        "D24FADSlicerLib",
        "SampleData",  # a module of Slicer
    }
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Match):
            raise AssertionError("Python 3.9 has no match statement")
    assert imported <= allowed


_LIBRARY = MODULE / "D24FADSlicerLib"
_ROOMS = {
    "logic": {"logic"},
    "client": {"client", "logic"},
    "scene": {"scene", "logic"},
    "local": {"local", "logic"},
    "panel": {"panel", "scene", "client", "local", "logic"},
}
_BANNED = {
    "logic": {"slicer", "vtk", "qt", "ctk"},
    "client": {"slicer", "vtk", "qt", "ctk"},
    "scene": {"qt", "ctk"},
    "local": {"slicer", "vtk", "qt", "ctk"},
    "panel": set(),
}


def test_the_library_has_its_five_rooms_and_nothing_beside_them() -> None:
    modules = {path.relative_to(_LIBRARY).parent.name for path in _LIBRARY.rglob("*.py")}
    assert modules == {"", *_ROOMS}
    assert [path.name for path in _LIBRARY.glob("*.py")] == ["__init__.py"]
    names = [path.stem for path in _LIBRARY.rglob("*.py") if path.stem != "__init__"]
    assert len(names) == len(set(names)), "two modules have one name"


@pytest.mark.parametrize("path", sorted(_LIBRARY.glob("*/*.py")), ids=lambda p: p.stem)
def test_imports_go_from_the_panel_to_the_logic_only(path: Path) -> None:
    room = path.parent.name
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not _BANNED[room] & {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level or (node.module or "").split(".")[0] not in _BANNED[room]
            if node.level == 2:
                assert (node.module or "").split(".")[0] in _ROOMS[room]
            assert node.level < 3


def test_a_result_is_read_with_its_warnings() -> None:
    report = {
        "case_score": 1.0,
        "slice_axis": 2,
        "calibration": {"threshold": 4.0},
        "geometry": {"affine": np.eye(4).tolist(), "shape": [4, 4, 4]},
        "warnings": [{"code": "other_size", "sentence": "It is large.", "remedy": "Look."}],
    }
    read = Analysis.read({"id": "r", "image": "case", "report": report})
    assert read.warnings == ("It is large. Look.",)
    del report["warnings"]
    assert Analysis.read({"id": "r", "image": "case", "report": report}).warnings == ()


def test_beside_a_finding_its_nearest_normal_is_shown_else_the_one_with_the_highest_share() -> None:
    finding = {"volume_ml": 1.0, "peak_score": 5.0, "peak_ras_mm": [0, 0, 0], "slice_range": [1, 1]}
    supports = [
        {"name": name, "content_hash": name, "share": share}
        for name, share in (("a", 0.2), ("b", 0.5), ("c", 0.3))
    ]
    report: dict[str, Any] = {
        "case_score": 1.0,
        "slice_axis": 2,
        "calibration": {"threshold": 4.0},
        "geometry": {"affine": np.eye(4).tolist(), "shape": [4, 4, 4]},
        "findings": [
            {**finding, "rank": 1, "nearest_normal": "c"},
            {**finding, "rank": 2, "nearest_normal": None},
            {**finding, "rank": 3},
        ],
        "provenance": {"supports": supports},
    }
    document = {"id": "r", "image": "case", "report": report}
    analysis = Analysis.read(document)
    names = [share and share.name for share in map(analysis.normal_for, (1, 2, 3, None))]
    assert names == ["c", "b", "b", "b"]
    report["provenance"] = {}
    assert Analysis.read(document).normal_for(1) is None


def test_a_result_is_read_with_what_changed_since_a_prior() -> None:
    report: dict[str, Any] = {
        "case_score": 1.0,
        "slice_axis": 2,
        "calibration": {"threshold": 4.0},
        "geometry": {"affine": np.eye(4).tolist(), "shape": [4, 4, 4]},
    }
    document = {"id": "r", "image": "case", "report": report}
    assert Analysis.read(document).since_prior is None
    report["change"] = None
    assert Analysis.read(document).since_prior is None
    new = {"kind": "new", "volume_ml": 0.5, "prior_volume_ml": 0.0}
    report["change"] = {"prior": {"name": "last-year"}, "changes": [new]}
    assert Analysis.read(document).since_prior == SincePrior(
        "last-year", (Change("new", 0.5, 0.0),)
    )
    del new["volume_ml"]
    with pytest.raises(ExplainedError):
        Analysis.read(document)


def test_a_finding_has_the_change_that_shares_most_with_it() -> None:
    def change(kind: str, *box: list[int]) -> dict[str, Any]:
        return {"kind": kind, "volume_ml": 1.0, "prior_volume_ml": 0.5, "bounding_box": list(box)}

    since = SincePrior.read(
        {
            "prior": {"name": "last-year", "to_prior": np.diag([1, 1, 1, 1]).tolist()},
            "changes": [
                change("new", [0, 0, 0], [4, 4, 4]),
                change("grown", [4, 4, 4], [9, 9, 9]),
                {"kind": "gone", "volume_ml": 0.0, "prior_volume_ml": 0.5},
            ],
        }
    )
    assert since is not None and since.match is not None
    assert since.match.place_of((1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)
    grown = since.change_at(((3, 3, 3), (6, 6, 6)))
    assert grown is not None and grown.words == "grown 0.50 to 1.00 ml"
    assert since.change_at(((5, 0, 5), (9, 3, 9))) is None, "beside it"
    assert since.change_at(None) is None
