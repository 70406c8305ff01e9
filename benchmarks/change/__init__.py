"""How well changes since a prior are found: simulated pairs on real people, and two real pairs.

`python -m benchmarks.change --out FOLDER` measures and writes; see docs/change.md.
"""
