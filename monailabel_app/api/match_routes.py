"""`/d24fad/v1/results/{id}/matches`: the same place in the support studies."""

from typing import Annotated

from fastapi import APIRouter, Query

from d24fad_core.volumes.volume import Plane
from monailabel_app.analysis.matches import AlignedGrid, Alignment, Point
from monailabel_app.analysis.results import StoredResult
from monailabel_app.api.answers.matches import MatchesAnswer, PlaceAnswer
from monailabel_app.api.prefix import PREFIX
from monailabel_app.failures import RequestError
from monailabel_app.services import Services


def router(services: Services) -> APIRouter:
    """The route, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/results", tags=["D24FAD results"])

    @routes.get("/{result}/matches", summary="The same place in each support study")
    def get_matches(
        result: str,
        finding: Annotated[int | None, Query(ge=1)] = None,
        voxel: str | None = None,
        ras_mm: str | None = None,
        plane: Plane | None = None,
        slice_index: Annotated[int | None, Query(alias="slice", ge=0)] = None,
    ) -> MatchesAnswer:
        places = {"finding": finding, "voxel": voxel, "ras_mm": ras_mm, "slice": slice_index}
        names = [name for name, value in places.items() if value is not None]
        if len(names) > 1:
            raise RequestError(
                "bad_request", f"The request names {' and '.join(names)}.", "Name one place only."
            )
        stored_result = services.results.get(result)
        position: Point | None = None
        if finding is not None:
            position = _of_finding(stored_result, finding)
        elif ras_mm is not None:
            position = _numbers("ras_mm", ras_mm)
        index = _numbers("voxel", voxel) if voxel is not None else None
        alignment = services.alignments.of(stored_result)
        seen = plane or Plane(stored_result.report["planes"][0])
        if index is not None:
            position = alignment.query.position(index)
        elif slice_index is not None:
            _check_slice(slice_index, alignment.query.shape[alignment.query.axis(seen)])
            position = alignment.centre_of_slice(seen, slice_index)
        return _document(stored_result, alignment, seen, position)

    return routes


def _document(
    stored_result: StoredResult, alignment: Alignment, plane: Plane, position: Point | None
) -> MatchesAnswer:
    shares = {use["name"]: use["share"] for use in stored_result.report["provenance"]["supports"]}
    query = alignment.query
    axis = query.axis(plane)
    centres = [alignment.centre_of_slice(plane, index) for index in range(query.shape[axis])]
    seen = [centre if alignment.analysed(centre, plane) else None for centre in centres]
    return {
        "result": stored_result.record.id,
        "image": query.image,
        "plane": plane.value,
        "slice_axis": axis,
        "place": None if position is None else _place(query, position, plane),
        "items": [
            {
                "image": support.image,
                "share": shares[support.image],
                "slice_axis": support.axis(plane),
                "query_to_support": alignment.query_to(support).tolist(),
                "slices": [
                    None
                    if centre is None
                    else _place(support, alignment.match(centre, support), plane)["slice"]
                    for centre in seen
                ],
                "place": None
                if position is None
                else _place(support, alignment.match(position, support), plane),
            }
            for support in alignment.supports
        ],
    }


def _place(grid: AlignedGrid, position: Point, plane: Plane) -> PlaceAnswer:
    """A position in a study; voxel and slice are null outside its volume."""
    index = grid.voxel(position)
    voxel = index.round().astype(int).tolist() if grid.contains(index) else None
    return {
        "ras_mm": list(position),
        "voxel": voxel,
        "slice": None if voxel is None else voxel[grid.axis(plane)],
    }


def _of_finding(stored_result: StoredResult, number: int) -> Point:
    for finding in stored_result.findings:
        if finding.rank == number:
            return finding.peak_ras_mm
    raise RequestError(
        "unknown_finding",
        f"The result has no finding {number}; it has {len(stored_result.findings)}.",
        "Choose one of the findings of the report.",
    )


def _check_slice(index: int, count: int) -> None:
    if index >= count:
        raise RequestError(
            "bad_request",
            f"'slice' is {index}; the image has {count} slices in this plane.",
            f"Give 0 to {count - 1}.",
        )


def _numbers(name: str, text: str) -> Point:
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError:
        first = second = third = float("nan")
    if not all(abs(value) < 1e6 for value in (first, second, third)):
        raise RequestError(
            "bad_request", f"'{name}' is {text[:100]!r}.", "Give three numbers with commas."
        )
    return first, second, third
