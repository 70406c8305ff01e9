"""Tests that depend on how a processor rounds: in CI they run once more, as an older one computes.

`python -m tests.numerical` prints their files and folders.
"""

from pathlib import Path

TESTS = Path(__file__).parent
PLACES = tuple(
    TESTS / name
    for name in (
        *("benchmark", "comparison", "detection", "images", "models", "networks", "support"),
        "benchmarks/image_tasks/test_cells.py",
        *(
            f"training/test_{name}.py"
            for name in ("feature_episodes", "feature_store", "losses", "objective")
        ),
    )
)
"""Files, and folders with all that lies in them."""


def is_numerical(path: Path) -> bool:
    """Whether a test file is one of them."""
    return not {path, *path.parents}.isdisjoint(PLACES)


if __name__ == "__main__":
    print(*(place.relative_to(TESTS.parent) for place in PLACES))  # noqa: T201
