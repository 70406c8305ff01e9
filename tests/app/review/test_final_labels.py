"""A final label is never there before the log knows of it, wherever the server dies."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from d24fad_core.files import hash_file
from monailabel_app.analysis.encodings import write_labels
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import ReviewEvent
from monailabel_app.store.recovery import open_database
from tests.app.review.served import SavedLabels, ServedReviews

SHAPE = (10, 12, 8)
AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
SCORES = np.zeros(SHAPE, np.float32)
SCORES[1:4, 1:4, 1:4] = 9.0
KEY = "of-the-final-label"


def opened(folder: Path) -> ServedReviews:
    """A server over a folder, as its start makes it."""
    served = ServedReviews(folder)
    served.put("r", "scan", SCORES, AFFINE, 4.0)
    return served


def killed(folder: Path, patch: Callable[[ServedReviews], None]) -> None:
    """Store a final label in a process that a patch kills at some moment."""
    process = os.fork()
    if process == 0:
        try:
            served = opened(folder)
            patch(served)
            served.store_final("r", 1, key=KEY)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def before_the_event(served: ServedReviews) -> None:
    served.reviews.log.append = die  # type: ignore[method-assign]


def within_the_event(served: ServedReviews) -> None:
    served.reviews.log.states.put = die  # type: ignore[method-assign]


def between_event_and_label(served: ServedReviews) -> None:
    served.labels.save_label = die  # type: ignore[method-assign]


def after_the_label(served: ServedReviews) -> None:
    save = served.labels.save_label

    def and_die(*arguments: Any) -> str:
        save(*arguments)
        return str(die())

    served.labels.save_label = and_die  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "moment", [before_the_event, within_the_event, between_event_and_label, after_the_label]
)
@pytest.mark.parametrize("sent_again", [False, True])
def test_log_and_label_agree_after_the_next_start(
    tmp_path: Path, moment: Callable[[ServedReviews], None], sent_again: bool
) -> None:
    opened(tmp_path).act("r", "accept", finding=1)
    killed(tmp_path, moment)
    served = opened(tmp_path)
    label = served.labels.path("scan")
    final = served.review("r")["final"]
    # Whatever happened, a label that lies there is one that the log names.
    assert not label.is_file() or (final is not None and final["sha256"] == hash_file(label))
    served.reviews.copy_labels()
    if sent_again:
        assert served.store_final("r", 1, key=KEY)["version"] == 2
        final = served.review("r")["final"]
    assert label.is_file() == (final is not None)
    if final is not None:
        assert final["sha256"] == hash_file(label)
        np.testing.assert_array_equal(served.final(), SCORES > 4.0)
    survives = moment in (between_event_and_label, after_the_label) or sent_again
    assert [e["action"] for e in served.review("r")["events"]] == ["accept", "final"][
        : 1 + survives
    ]


def test_a_label_that_could_not_be_copied_is_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = opened(tmp_path)
    served.act("r", "accept", finding=1)

    def full(*_: Any) -> str:
        raise OSError(28, "No space left on device", "label.nii.gz")

    with monkeypatch.context() as patched:
        patched.setattr(SavedLabels, "save_label", full)
        served.store_final("r", 1, 507, key=KEY)
        served.reviews.copy_labels()  # a start on a full disk goes on
    assert not served.labels.path("scan").is_file()
    assert served.store_final("r", 1, key=KEY)["version"] == 2
    np.testing.assert_array_equal(served.final(), SCORES > 4.0)


def test_undoing_a_final_label_brings_the_one_before_it_back(tmp_path: Path) -> None:
    served = opened(tmp_path)
    served.act("r", "accept", finding=1)
    served.store_final("r", 1)
    served.act("r", "reject", finding=1)
    served.store_final("r", 3)
    assert not served.final().any()
    served.act("r", "undo", event=4)
    np.testing.assert_array_equal(served.final(), SCORES > 4.0)


def test_a_file_in_the_place_of_a_stored_label_is_kept_and_not_taken_for_it(tmp_path: Path) -> None:
    served = opened(tmp_path)
    served.act("r", "accept", finding=1)
    served.store_final("r", 1)
    label = served.labels.path("scan")
    stranger = np.zeros(SHAPE, np.uint8)
    stranger[8, 8, 4] = 1
    write_labels(stranger, AFFINE, label)
    digest = hash_file(label)
    served.reviews.copy_labels()
    np.testing.assert_array_equal(served.final(), SCORES > 4.0)
    voxels = np.asanyarray(nibabel.load(served.reviews.masks.get(digest)).dataobj)
    np.testing.assert_array_equal(voxels, stranger)


def test_of_all_results_of_an_image_the_label_stored_last_counts(tmp_path: Path) -> None:
    log = ReviewLog(open_database(tmp_path / "state.sqlite3"))

    class Result:
        finding_count = 0

        def __init__(self, name: str, image: str) -> None:
            self.id, self.image = name, image

    r, s, other = Result("r", "scan"), Result("s", "scan"), Result("t", "other")
    for number, result in enumerate((r, s, other, r)):
        log.append(result, ReviewEvent("final", "AB", mask=json.dumps(number)))
        log.append(result, ReviewEvent("note", "AB", note="seen"))
    assert {image: row.event.mask for image, row in log.last_finals().items()} == {
        "scan": "3",
        "other": "2",
    }
    log.append(r, ReviewEvent("undo", "AB", undoes=3))
    assert log.last_finals("scan")["scan"].event.mask == "1"
    assert log.last_finals("nobody") == {}
