"""Where things are in the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "D24FADSlicer"
MODULE = EXTENSION / "D24FADSlicer"
SCREENSHOTS = EXTENSION / "Screenshots"
