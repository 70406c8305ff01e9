"""What users may say about brain masks."""

from enum import Enum


class BrainMask(str, Enum):
    """How heads get a brain mask; its value names it on the command line.

    `AUTO` strips heads where their normals are brains alone, by the best method at hand; `DEEPBET`
    and `TEMPLATE` strip every head that way.
    """

    AUTO = "auto"
    DEEPBET = "deepbet"
    TEMPLATE = "template"
    NONE = "none"
