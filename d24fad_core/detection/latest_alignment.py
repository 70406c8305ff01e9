"""The alignment of the latest study, which showing a normal beside it needs again."""

from dataclasses import dataclass
from weakref import ref

import SimpleITK as sitk

from d24fad_core.detection.options import DetectionOptions
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class LatestAlignment:
    """Where a study lies in a frame.

    Attributes:
        query: the study; it is not kept in memory by this.
        frame: hash of the frame.
        choices: the options that an alignment depends on.
        to_query: from points of the frame to points of the study, LPS mm.
    """

    query: "ref[Volume]"
    frame: str
    choices: tuple[str, bool]
    to_query: sitk.Transform

    @classmethod
    def of(
        cls,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions,
        to_query: sitk.Transform,
    ) -> "LatestAlignment":
        """What the alignment of a study gave."""
        return cls(ref(query), support.frame.content_hash, _choices(options), to_query)

    def of_same(
        self, query: Volume, support: SupportSet, options: DetectionOptions
    ) -> sitk.Transform | None:
        """The transform; None where the study, its frame or the options are others."""
        same = (
            self.query() is query
            and self.frame == support.frame.content_hash
            and self.choices == _choices(options)
        )
        return self.to_query if same else None


def _choices(options: DetectionOptions) -> tuple[str, bool]:
    return options.ct_window, options.register
