"""The table of whole requests."""

from benchmarks.speed.whole_requests import COMPARISONS, SHOTS, table


def test_each_comparison_is_told_with_its_growth() -> None:
    rows = [
        {
            "comparison": comparison.value,
            "shots": shots,
            "cold_seconds": 30.0,
            "seconds": 5.0 + shots / 2.0,
            "processor_seconds": 9.0,
            "peak_gib": 1.125,
        }
        for comparison in COMPARISONS
        for shots in SHOTS
    ]
    lines = table({"rows": rows}).splitlines()
    assert "| learned | 4 | 30.0 | 7.0 | 9.0 | 1.12 |" in lines
    assert "8 normals take 1.50 times as long as 2, both cached (learned)." in lines
    assert len([line for line in lines if line.startswith("| window |")]) == 3
