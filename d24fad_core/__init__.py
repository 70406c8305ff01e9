"""D²4FAD: find what is abnormal in a CT or MRI study from a handful of normal ones.

Research use only. Not for clinical use.
"""

__version__ = "0.1.0"

RESEARCH_USE_ONLY = "Research use only. Not for clinical use."
