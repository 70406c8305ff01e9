"""D²4FAD: find what is abnormal in a CT or MRI study from a handful of normal ones.

Research use only. Not for clinical use.
"""

import os

# OpenMP's threads spin while they wait for each other: on a machine busy with other work an
# analysis took twenty times as long. Not to spin at all makes it nearly twice as long on a quiet
# one. So for some microseconds; the setting is read when torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__version__ = "0.1.0"

RESEARCH_USE_ONLY = "Research use only. Not for clinical use."
