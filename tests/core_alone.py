"""Which tests run where the core is installed alone, by `.ci/core-environment`.

A new file in one of these places runs there too, unless it is named here with the extra that it
needs.
"""

from pathlib import Path

TESTS = Path(__file__).parent

PLACES = (
    *("cache", "comparison", "detection", "export", "io", "masking", "support", "volumes"),
    *("test_files.py", "test_regions.py"),
    *("cli/test_extras.py", "cli/test_messages.py", "cli/options/test_paths.py"),
    *(f"cli/commands/test_{name}.py" for name in ("cache", "detect", "info")),
)

NEEDS = {
    "comparison/test_features.py": "train",  # a ResNet of torchvision
    "comparison/test_translation.py": "evaluate",
    "detection/test_automatic_comparison.py": "simulate",
    "detection/test_learned_comparison.py": "simulate",
    "detection/test_lesions.py": "simulate",
    "detection/test_placing.py": "simulate",
    "detection/test_real_people.py": "real studies in ../shared",
    "export/html/test_browser.py": "test",  # selenium
    "export/dicom/test_dicom.py": "dicom",
    "export/dicom/test_changes.py": "dicom",
    "export/dicom/test_objects.py": "dicom",
    "export/test_reviewed_report.py": "dicom",
    "masking/test_deepbet.py": "brain",
    "masking/test_template_mask.py": "simulate",
}


def includes(path: Path) -> bool:
    """Whether a test file runs there, or any of a folder does."""
    name = path.relative_to(TESTS).as_posix()
    if path.suffix != ".py":
        return any(_lies_in(name, place) or _lies_in(place, name) for place in PLACES)
    if not path.name.startswith("test_"):
        return True  # needed by those that are
    return name not in NEEDS and any(_lies_in(name, place) for place in PLACES)


def _lies_in(name: str, place: str) -> bool:
    return place == "." or name == place or name.startswith(f"{place}/")
