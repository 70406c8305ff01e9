"""Which tests run once more as an older processor computes."""

import subprocess
import sys
from pathlib import Path

from tests import numerical

ROOT = Path(__file__).parents[1]


def test_the_places_are_printed_as_pytest_takes_them() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tests.numerical"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert [ROOT / place for place in printed] == list(numerical.PLACES)
    assert all((ROOT / place).exists() for place in printed)


def test_networks_round_and_pages_do_not() -> None:
    tests = ROOT / "tests"
    assert numerical.is_numerical(tests / "networks" / "test_student.py")
    assert numerical.is_numerical(tests / "training" / "test_losses.py")
    assert not numerical.is_numerical(tests / "training" / "test_trainer.py")
    assert not numerical.is_numerical(tests / "export" / "html" / "test_page.py")
