"""Simulated brain MR cohorts: normals with natural variation, and cases with lesions."""

from d24fad_core.simulation.appearance import Contrast
from d24fad_core.simulation.cohort import (
    Role,
    SimulatedSubject,
    SimulationOptions,
    simulate_cohort,
    simulate_subject,
    subject_name,
)
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
