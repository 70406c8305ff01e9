"""Whose name stands for a decision."""

import pytest
from pydantic import ValidationError

from monailabel_app.api.request_bodies import EventBody, FinalBody, MemberBody


@pytest.mark.parametrize(
    "name", ["AB", " Dr. Ö. Müller ", "山田 太郎", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647"]
)
def test_names_of_any_script_are_taken(name: str) -> None:
    assert EventBody(action="note", reviewer=name).reviewer == name.strip()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("   ", "blank"),
        ("\u200d", r"U\+200D"),
        ("A\u200dB", r"U\+200D"),
        ("AB\u200c", r"U\+200C"),
        ("\u3164", r"U\+3164"),
        ("\u2800", r"U\+2800"),
        ("AB\ufe0f", r"U\+FE0F"),
        ("\u00a0\u2003", "blank"),
        ("A\u202eB", r"U\+202E"),
        ("\u2066AB\u2069", r"U\+2066"),
        ("\ufeffAB", r"U\+FEFF"),
        ("A\nB", r"U\+000A"),
        ("A\0B", r"U\+0000"),
    ],
)
@pytest.mark.parametrize("body", [EventBody, FinalBody, MemberBody])
def test_a_name_that_does_not_show_what_it_is_is_refused(
    body: type[FinalBody], name: str, wrong: str
) -> None:
    with pytest.raises(ValidationError, match=wrong):
        body(**{"action": "note", "image": "a", "reviewer": name})


def test_where_a_name_is_needed_it_is_not_empty_and_elsewhere_may_be_left_out() -> None:
    with pytest.raises(ValidationError):
        FinalBody(reviewer="")
    assert MemberBody(image="a").reviewer == ""
