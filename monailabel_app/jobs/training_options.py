"""How to go on training, as a client says it, checked before anything is read or computed."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from d24fad_core.volumes.preprocessing import CT_WINDOWS
from monailabel_app.failures import RequestError


@dataclass(frozen=True)
class TrainingOptions:
    """How to go on training.

    Attributes:
        epochs: epochs in all.
        steps: episodes an epoch.
        learning_rate: of Adam at its peak, well below that of a training from nothing.
        seed: seed of the episodes.
        ct_window: window that CT is seen in.
    """

    epochs: int = 5
    steps: int = 50
    learning_rate: float = 2e-4
    seed: int = 0
    ct_window: str = "body"

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> "TrainingOptions":
        """Read what a client sent; names that are not ours are left alone.

        Raises:
            RequestError: a value is of a wrong type or out of range.
        """
        known = {field.name: options[field.name] for field in fields(cls) if field.name in options}
        for name, low, high in (("epochs", 1, 1000), ("steps", 1, 10_000), ("seed", 0, 2**31)):
            value = known.get(name, low)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise _wrong(name, value, f"a whole number from {low} to {high}")
        rate = known.get("learning_rate", cls.learning_rate)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise _wrong("learning_rate", rate, "above 0 and at most 1")
        if known.get("ct_window", cls.ct_window) not in CT_WINDOWS:
            raise _wrong("ct_window", known["ct_window"], f"one of {', '.join(CT_WINDOWS)}")
        return cls(**known)


def _wrong(name: str, value: object, rule: str) -> RequestError:
    return RequestError("bad_request", f"'{name}' is {str(value)[:100]!r}.", f"It must be {rule}.")
