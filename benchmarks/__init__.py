"""How fast this project is, measured beside others on the same machine in the same run.

`python -m benchmarks --out FOLDER` measures and writes; see docs/speed.md.
"""
