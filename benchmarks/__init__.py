"""How fast this project is, measured beside others on the same machine in the same run.

`python -m benchmarks --out FOLDER` measures and writes; see docs/speed.md.
"""

from d24fad_core.waiting_threads import spin_briefly

spin_briefly()  # here, since the modules import PyTorch
