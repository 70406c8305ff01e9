"""Simulated brain MR cohorts: normals with natural variation, and cases with lesions.

Each name is imported when it is first used, so that the command line can name contrasts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d24fad_core.simulation.cohort import (
        Role,
        SimulatedSubject,
        SimulationOptions,
        simulate_cohort,
        simulate_subject,
        subject_name,
    )
    from d24fad_core.simulation.contrast import Contrast
    from d24fad_core.simulation.lesions import LesionKind

__all__ = [
    "Contrast",
    "LesionKind",
    "Role",
    "SimulatedSubject",
    "SimulationOptions",
    "simulate_cohort",
    "simulate_subject",
    "subject_name",
]

_MODULES = {"Contrast": "contrast", "LesionKind": "lesions"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'cohort')}"), name)
