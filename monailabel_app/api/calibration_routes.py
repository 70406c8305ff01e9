"""`/d24fad/v1/calibration`: what the scores mean against normal patients."""

from typing import Annotated

from fastapi import APIRouter, Query

from monailabel_app.api.answers.calibration import CalibrationAnswer, PValueAnswer, ThresholdAnswer
from monailabel_app.api.prefix import PREFIX
from monailabel_app.calibration.normal_scale import Calibration
from monailabel_app.calibration.normal_scores import Quantity
from monailabel_app.services import Services

_Rate = Annotated[float, Query(gt=0, lt=1, allow_inf_nan=False)]
_Score = Annotated[float, Query(allow_inf_nan=False)]


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/calibration", tags=["D24FAD calibration"])

    def calibration(support_set: str | None, quantity: Quantity) -> tuple[str, Calibration]:
        name = support_set or services.support_sets.default_name
        return name, services.normals.calibration(name, quantity)

    @routes.get("", summary="The normal patients and what they can certify")
    def describe(
        support_set: str | None = None, quantity: Quantity = Quantity.CASE_SCORE
    ) -> CalibrationAnswer:
        name, scores = calibration(support_set, quantity)
        return {
            "support_set": name,
            "support_hash": services.quality.support_hash(name),
            "checkpoint_hash": services.analyses.detector.checkpoint_hash,
            "quantity": quantity.value,
            "normal_patients": scores.patients,
            "normals": [
                {"patient": normal.patient, "image": normal.image, "score": normal.score}
                for normal in scores.normals
            ],
            "smallest_p_value": scores.smallest,
            "smallest_false_positive_rate": scores.smallest,
            "statement": scores.statement(),
            "curve": [
                {"threshold": threshold, "false_positive_rate": rate}
                for threshold, rate in scores.curve()
            ],
        }

    @routes.get("/threshold", summary="The threshold for a wanted false-positive rate")
    def threshold(
        false_positive_rate: _Rate,
        support_set: str | None = None,
        quantity: Quantity = Quantity.CASE_SCORE,
    ) -> ThresholdAnswer:
        _, scores = calibration(support_set, quantity)
        return {
            "threshold": scores.threshold(false_positive_rate),
            "false_positive_rate": false_positive_rate,
            "quantity": quantity.value,
            "normal_patients": scores.patients,
            "statement": scores.statement(),
        }

    @routes.get("/p-value", summary="How unusual a score is among normal patients")
    def p_value(
        score: _Score,
        support_set: str | None = None,
        quantity: Quantity = Quantity.CASE_SCORE,
    ) -> PValueAnswer:
        _, scores = calibration(support_set, quantity)
        return {
            "p_value": scores.p_value(score),
            "quantity": quantity.value,
            "normal_patients": scores.patients,
            "statement": scores.statement(),
        }

    return routes
