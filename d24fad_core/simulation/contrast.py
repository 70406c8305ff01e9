"""The contrasts that can be simulated, without what simulates them: the command line names them."""

from enum import Enum


class Contrast(str, Enum):
    """MR contrast of a simulated cohort."""

    T1 = "T1"
    T2 = "T2"
    FLAIR = "FLAIR"
    PD = "PD"
