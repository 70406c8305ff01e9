"""What clients may say about an analysis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Plane
from monailabel_app.analysis.parameters import OPTIONS, parse_parameters, require_known_options
from monailabel_app.failures import RequestError


def test_defaults_are_those_of_the_detector() -> None:
    parameters = parse_parameters({})
    assert parameters.support is None
    assert parameters.options.planes == (Plane.AXIAL,)
    assert parameters.options.threshold is None
    assert parameters.brain is BrainMask.AUTO
    assert parameters.options.comparison is None
    assert parameters.document()["comparison"] == "auto"
    assert parse_parameters({"comparison": "auto"}) == parameters


def test_the_forms_of_monai_labels_clients_send_strings() -> None:
    parameters = parse_parameters(
        {
            "support": "a, b ,c",
            "planes": "coronal",
            "threshold": "3.5",
            "register": "true",
            "modality": "CT",
            "support_set": "",
            "brain": "template",
            "comparison": "learned",
        }
    )
    assert parameters.options.comparison is ComparisonKind.LEARNED
    assert parameters.brain is BrainMask.TEMPLATE
    assert parameters.support == ("a", "b", "c")
    assert parameters.options.planes == (Plane.CORONAL,)
    assert parameters.options.threshold == 3.5
    assert parameters.options.register is True
    assert parameters.modality is Modality.CT
    assert parameters.support_set is None


def test_the_document_says_the_same_again() -> None:
    options = {"planes": ["axial", "sagittal"], "threshold": 2.0, "minimum_volume_ml": 0.5}
    options["brain"] = "none"
    parameters = parse_parameters(options)
    assert parse_parameters(parameters.document()) == parameters


@pytest.mark.parametrize(
    "options",
    [
        {"planes": "diagonal"},
        {"brain": "skull"},
        {"comparison": "guessed"},
        {"planes": 3},
        {"planes": []},
        {"planes": " , "},
        {"support": [1, 2]},
        {"support": {"a": 1}},
        {"support": ["a", "a"]},
        {"support": [f"s{n}" for n in range(17)]},
        {"support_set": 7},
        {"threshold": "high"},
        {"threshold": -0.1},
        {"threshold": float("nan")},
        {"threshold": float("inf")},
        {"threshold": True},
        {"threshold": [1]},
        {"minimum_volume_ml": "a lot"},
        {"register": "perhaps"},
        {"modality": "PET"},
    ],
)
def test_a_wrong_value_is_refused_and_named(options: dict[str, object]) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_parameters(options)
    assert refusal.value.code == "bad_request"
    assert next(iter(options)) in refusal.value.cause


def test_one_support_is_too_few() -> None:
    with pytest.raises(RequestError) as refusal:
        parse_parameters({"support": "a"})
    assert refusal.value.code == "too_few_supports"


@given(
    st.dictionaries(
        st.sampled_from(["support", "support_set", "planes", "threshold", "register", "modality"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.floats()
            | st.text("ab,.1- ", max_size=8)
            | st.integers(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner),
            max_leaves=4,
        ),
    )
)
def test_nothing_a_client_sends_breaks_it(options: dict[str, object]) -> None:
    try:
        parse_parameters(options)
    except RequestError as refusal:
        assert 400 <= refusal.status < 500


@pytest.mark.parametrize(
    ("name", "meant"), [("plane", "planes"), ("treshold", "threshold"), ("zzz", None)]
)
def test_an_option_that_nobody_would_read_is_refused_by_its_name(
    name: str, meant: str | None
) -> None:
    require_known_options({"planes": ["axial"], "threshold": 2}, OPTIONS)
    with pytest.raises(RequestError) as refusal:
        require_known_options({name: ["coronal"]}, OPTIONS)
    assert refusal.value.code == "bad_request"
    assert f"'{name}'" in refusal.value.cause
    assert (f"'{meant}'" in refusal.value.remedy) == (meant is not None)
    assert "minimum_volume_ml" in refusal.value.remedy
