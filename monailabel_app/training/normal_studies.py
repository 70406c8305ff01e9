"""Which studies can be learned from: those confirmed as normal, each with its patient."""

from monailabel_app.analysis.results import ResultStore
from monailabel_app.calibration.normal_scores import NormalPatients
from monailabel_app.review.worklist import Worklist
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.training.plan import NormalStudy


class NormalStudies:
    """Finds the studies that training learns from and is judged by.

    Args:
        images: the studies of the server.
        worklist: knows which images are confirmed as normal.
        results: knows which images were scored with a set.
        normals: knows whose image is whose.
    """

    def __init__(
        self,
        images: ImageCatalogue,
        worklist: Worklist,
        results: ResultStore,
        normals: NormalPatients,
    ) -> None:
        self._images = images
        self._worklist = worklist
        self._results = results
        self._normals = normals

    def confirmed(self, support_set: str) -> list[NormalStudy]:
        """Studies confirmed as normal that were scored with the set and are not in it."""
        scored = {r.image for r in self._results.records() if r.support_set == support_set}
        by_content: dict[str, NormalStudy] = {}
        for entry in self._worklist.entries(support_set):
            if (
                entry.confirmed_normal
                and entry.image in scored
                and support_set not in entry.support_sets
            ):
                study = self.study(entry.image)
                # A study that is here twice must not be learned from and judged by.
                content = self._images.content_hash(self._images.study(entry.image))
                by_content.setdefault(content, study)
        return list(by_content.values())

    def study(self, image: str) -> NormalStudy:
        """One study, as a training in a process of its own finds it."""
        study = self._images.study(image)
        return NormalStudy(image, self._normals.patient(image), str(study.path))
