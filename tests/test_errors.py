"""Errors carry what is wrong and what to do about it, as fields."""

import copy

import pytest

from d24fad_core import errors
from d24fad_core.errors import (
    CancelledError,
    CheckpointError,
    ConfigurationError,
    D24FADError,
    InputError,
    SupportError,
)
from monailabel_app.failures import RequestError, body, refusal

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, D24FADError)
]


@pytest.mark.parametrize(
    ("cause", "remedy", "text", "sentences"),
    [
        (
            "x.nii: is no scan",
            "give one.",
            "x.nii: is no scan; give one.",
            ("x.nii: is no scan.", "Give one."),
        ),
        (
            "x.nii: one slice.",
            "Give them all.",
            "x.nii: one slice. Give them all.",
            ("x.nii: one slice.", "Give them all."),
        ),
        ("which task?", "Name it.", "which task? Name it.", ("which task?", "Name it.")),
        ("stopped", "", "stopped", ("stopped.", "")),
    ],
)
def test_cause_and_remedy_read_as_one_text_and_as_two_sentences(
    cause: str, remedy: str, text: str, sentences: tuple[str, str]
) -> None:
    error = InputError(cause, remedy)
    assert (error.cause, error.remedy) == (cause, remedy)
    assert str(error) == text
    assert error.sentences() == sentences


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_come_back_from_another_process(kind: type[D24FADError]) -> None:
    error = copy.copy(kind("x; y. z", "do this; or that."))  # by what pickle does too
    assert type(error) is kind
    assert (error.cause, error.remedy) == ("x; y. z", "do this; or that.")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (InputError, "unsuitable_image"),
        (SupportError, "support_mismatch"),
        (ConfigurationError, "bad_request"),
        (CancelledError, "cancelled"),
        (CheckpointError, "internal_error"),
    ],
)
def test_the_server_hands_the_parts_on_and_cuts_no_text(kind: type[D24FADError], code: str) -> None:
    """The marks at which English might be cut stand in both parts."""
    error = kind("a.nii: 2 series (1. T1; 2. T2); one is needed", "give one; e.g. the T1. Or both.")
    answer = body(refusal(error))
    assert answer["error"] == {
        "code": code,
        "message": "a.nii: 2 series (1. T1; 2. T2); one is needed.",
        "remedy": "Give one; e.g. the T1. Or both.",
    }


def test_a_refused_request_is_such_an_error_with_a_code() -> None:
    error = RequestError("unknown_job", "There is no job 'x'.", "Choose another one.")
    assert isinstance(error, D24FADError)
    assert refusal(error) is error
    assert (error.cause, error.remedy) == ("There is no job 'x'.", "Choose another one.")
    assert body(error)["detail"] == str(error) == "There is no job 'x'. Choose another one."
