"""What a client may say about an analysis, checked before anything is read or computed."""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Plane
from monailabel_app.failures import RequestError

_Choice = TypeVar("_Choice", bound=Enum)

MAXIMUM_SUPPORTS = 16
MINIMUM_SUPPORTS = 2


@dataclass(frozen=True)
class AnalysisParameters:
    """The parameters of one analysis as a client gives them.

    Attributes:
        support: image ids of the normal studies; None leaves it to `support_set`.
        support_set: name of a support set; None is the server's default.
        modality: modality of query and supports where their files do not say; None guesses.
        brain: how heads are stripped to the brain.
        prior: image id of an earlier study of the patient; None compares with none.
        options: parameters of the detection.
    """

    support: tuple[str, ...] | None = None
    support_set: str | None = None
    modality: Modality | None = None
    brain: BrainMask = BrainMask.AUTO
    prior: str | None = None
    options: DetectionOptions = field(default_factory=DetectionOptions)

    def document(self) -> dict[str, Any]:
        """The options as JSON, every default written out but that of `prior`.

        Results of before there was one have the same document as those without a prior.
        """
        prior = {} if self.prior is None else {"prior": self.prior}
        return {
            **prior,
            "planes": [plane.value for plane in self.options.planes],
            "threshold": self.options.threshold,
            "minimum_volume_ml": self.options.minimum_volume_ml,
            "ct_window": self.options.ct_window,
            "register": self.options.register,
            "modality": self.modality.value if self.modality else None,
            "brain": self.brain.value,
            "comparison": (self.options.comparison or ComparisonChoice.AUTO).value,
        }


OPTIONS = (*AnalysisParameters().document(), "prior")
"""Names of the options of an analysis."""


def require_known_options(options: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options that nobody would read, so that a misspelt one is not dropped.

    Args:
        options: the options of a job.
        known: names of the options of this kind of job.

    Raises:
        RequestError: one is unknown.
    """
    unknown = next((name for name in options if name not in known), None)
    if unknown is None:
        return
    likely = difflib.get_close_matches(unknown, known, n=1)
    meant = f"Did you mean '{likely[0]}'? " if likely else ""
    raise RequestError(
        "bad_request",
        f"There is no option '{unknown[:100]}'.",
        f"{meant}The options are {', '.join(sorted(known))}.",
    )


def parse_parameters(options: Mapping[str, Any]) -> AnalysisParameters:
    """Read the parameters of a request; names that are not ours are left alone.

    Lists may come as one string with commas, numbers as strings and an empty string for 'not
    given', since that is what the forms of MONAI Label's clients send.

    Raises:
        RequestError: a value is of a wrong type or out of range.
    """
    default = DetectionOptions()
    planes = _names(options, "planes")
    return AnalysisParameters(
        support=_support(options),
        support_set=_text(options, "support_set"),
        modality=_member(options, "modality", Modality),
        brain=_member(options, "brain", BrainMask) or BrainMask.AUTO,
        prior=_text(options, "prior"),
        options=DetectionOptions(
            planes=default.planes if planes is None else _planes(planes),
            ct_window=_text(options, "ct_window") or default.ct_window,
            threshold=_number(options, "threshold", default.threshold),
            minimum_volume_ml=_number(options, "minimum_volume_ml", default.minimum_volume_ml)
            or 0.0,
            register=_boolean(options, "register", default.register),
            comparison=(
                _member(options, "comparison", ComparisonChoice) or ComparisonChoice.AUTO
            ).kind,
        ),
    )


def _support(options: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = _names(options, "support")
    if names is None:
        return None
    if len(set(names)) != len(names):
        raise RequestError(
            "bad_request",
            f"'support' names an image twice: {', '.join(names)}.",
            "Name each normal study once.",
        )
    if len(names) < MINIMUM_SUPPORTS:
        raise RequestError(
            "too_few_supports",
            f"{len(names)} support {'study' if len(names) == 1 else 'studies'} given; at least "
            f"{MINIMUM_SUPPORTS} are needed.",
            "Name more normal studies of the same kind.",
        )
    if len(names) > MAXIMUM_SUPPORTS:
        raise RequestError(
            "bad_request",
            f"{len(names)} support studies given; at most {MAXIMUM_SUPPORTS} are taken.",
            "Name fewer normal studies.",
        )
    return names


def _planes(names: tuple[str, ...]) -> tuple[Plane, ...]:
    known = {plane.value: plane for plane in Plane}
    if not names:
        raise _wrong("planes", [], f"some of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise _wrong("planes", name, f"some of {', '.join(known)}")
    return tuple(dict.fromkeys(known[name] for name in names))


def _names(options: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = options.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise _wrong(name, value, "a list of names")
    return tuple(value)


def _text(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(name, value, "a text")
    return value


def _number(options: Mapping[str, Any], name: str, default: float | None) -> float | None:
    value = options.get(name)
    if value is None or value == "":
        return default
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise _wrong(name, value, "a number not below 0")
    return number


def _boolean(options: Mapping[str, Any], name: str, default: bool) -> bool:
    value = options.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def _member(options: Mapping[str, Any], name: str, choices: type[_Choice]) -> _Choice | None:
    value = _text(options, name)
    if value is None:
        return None
    if value not in {choice.value for choice in choices}:
        raise _wrong(name, value, f"one of {', '.join(choice.value for choice in choices)}")
    return choices(value)


def _wrong(name: str, value: object, requirement: str) -> RequestError:
    return RequestError(
        "bad_request", f"'{name}' is {str(value)[:100]!r}.", f"It must be {requirement}."
    )
