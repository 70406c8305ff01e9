"""D²4FAD: find what is abnormal in a CT or MRI study from a handful of normal ones.

The names in `__all__` are the public interface; each is imported when it is first used, so that
`import d24fad_core` loads neither PyTorch nor any other large package.

Research use only. Not for clinical use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d24fad_core.change.comparison import compare_with_prior
    from d24fad_core.change.options import ChangeOptions
    from d24fad_core.change.result import Change, ChangeKind, ChangeResult
    from d24fad_core.comparison.kind import ComparisonKind
    from d24fad_core.contrasts.detection import ContrastDetector
    from d24fad_core.contrasts.person import Person
    from d24fad_core.detection.detector import Detector
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.detection.result import (
        AnalysisWarning,
        AnomalyResult,
        CalibrationSummary,
        Finding,
        WarningCode,
    )
    from d24fad_core.errors import (
        CancelledError,
        CheckpointError,
        ConfigurationError,
        D24FADError,
        InputError,
        SupportError,
    )
    from d24fad_core.export.folder import write_change_result, write_result
    from d24fad_core.io.reading import find_studies, read_volume
    from d24fad_core.support.support_set import SupportSet
    from d24fad_core.volumes.volume import Modality, Plane, Volume

__version__ = "0.1.0"

RESEARCH_USE_ONLY = "Research use only. Not for clinical use."
"""Stands wherever results appear."""

__all__ = [
    "RESEARCH_USE_ONLY",
    "AnalysisWarning",
    "AnomalyResult",
    "CalibrationSummary",
    "CancelledError",
    "Change",
    "ChangeKind",
    "ChangeOptions",
    "ChangeResult",
    "CheckpointError",
    "ComparisonKind",
    "ConfigurationError",
    "ContrastDetector",
    "D24FADError",
    "DetectionOptions",
    "Detector",
    "Finding",
    "InputError",
    "Modality",
    "Person",
    "Plane",
    "SupportError",
    "SupportSet",
    "Volume",
    "WarningCode",
    "__version__",
    "compare_with_prior",
    "find_studies",
    "read_volume",
    "write_change_result",
    "write_result",
]

_MODULES = {
    "change.comparison": ("compare_with_prior",),
    "change.options": ("ChangeOptions",),
    "change.result": ("Change", "ChangeKind", "ChangeResult"),
    "comparison.kind": ("ComparisonKind",),
    "contrasts.detection": ("ContrastDetector",),
    "contrasts.person": ("Person",),
    "detection.detector": ("Detector",),
    "detection.options": ("DetectionOptions",),
    "detection.result": (
        *("AnalysisWarning", "AnomalyResult", "CalibrationSummary", "Finding", "WarningCode"),
    ),
    "errors": (
        *("CancelledError", "CheckpointError", "ConfigurationError", "D24FADError"),
        *("InputError", "SupportError"),
    ),
    "export.folder": ("write_change_result", "write_result"),
    "io.reading": ("find_studies", "read_volume"),
    "support.support_set": ("SupportSet",),
    "volumes.volume": ("Modality", "Plane", "Volume"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
