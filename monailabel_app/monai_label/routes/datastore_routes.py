"""`/datastore/...`: the stock routes that write files, with nothing left behind when they fail."""

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import FileResponse
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC
from monailabel.interfaces.datastore import Datastore
from starlette.background import BackgroundTask

from d24fad_core.files import hash_file
from monailabel_app.analysis.encodings import check_labels
from monailabel_app.failures import RequestError
from monailabel_app.monai_label.routes.form_params import parse_params
from monailabel_app.services import Services
from monailabel_app.studies.images import Study, require_alone
from monailabel_app.studies.study_store import VOLUME_PATTERNS

_SUFFIXES = tuple(pattern[1:] for pattern in VOLUME_PATTERNS)
_FINAL = "final"
_REVIEWER = "a MONAI Label client"  # whose protocol does not say who draws
_ADMINISTRATORS = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))


def router(services: Services, datastore: Datastore) -> APIRouter:
    """The routes, bound to services and MONAI Label's datastore."""
    routes = APIRouter(prefix="/datastore", tags=["Datastore"])

    @routes.put("/", include_in_schema=False)
    @routes.put("/image", summary="Upload an image")
    def add_image(
        file: Annotated[UploadFile, File()],
        image: str | None = None,
        params: Annotated[str, Form()] = "{}",
    ) -> dict[str, str]:
        name = Path(file.filename or "").name
        identifier = image or name.removesuffix(_suffix(name)) or "image"
        with (
            services.images.reserve(identifier),
            tempfile.TemporaryDirectory(prefix="d24fad-") as folder,
        ):
            path = _receive(file, Path(folder))
            Study(identifier, path).volume()  # refuses what cannot be read
            services.images.uploads.add(identifier, hash_file(path))
            return {"image": datastore.add_image(identifier, str(path), parse_params(params))}

    @routes.put("/label", summary="Save a label")
    def save_label(
        image: str,
        label: Annotated[UploadFile, File()],
        params: Annotated[str, Form()] = "{}",
        tag: str = "",
    ) -> dict[str, str]:
        services.images.study(image)
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            path = _receive(label, Path(folder))
            information = parse_params(params)
            if (tag or _FINAL) == _FINAL:
                services.reviews.store_drawn(image, path, _REVIEWER)
                saved = image
            else:
                check_labels(path)
                saved = datastore.save_label(image, str(path), tag, information)
            return {"image": image, "label": saved}

    @routes.delete("/", include_in_schema=False, dependencies=[_ADMINISTRATORS])
    @routes.delete("/image", summary="Remove an image", dependencies=[_ADMINISTRATORS])
    def remove_image(id: str) -> dict[str, Any]:  # noqa: A002
        services.images.study(id)
        _require_removable(services, id)
        datastore.remove_image(id)
        services.images.uploads.remove(id)
        return {}

    @routes.delete("/label", summary="Remove a label", dependencies=[_ADMINISTRATORS])
    def remove_label(id: str, tag: str) -> dict[str, Any]:  # noqa: A002
        services.images.study(id)
        if tag == _FINAL and services.reviews.is_reviewed(id):
            raise RequestError(
                "in_use",
                f"The final label of '{id[:100]}' belongs to a review.",
                "Reopen a finding of the review and store another one.",
            )
        datastore.remove_label(id, tag)
        return {}

    @routes.get("/dataset", summary="Download the labelled images as a ZIP archive")
    def download_dataset(limit_cases: int | None = None) -> FileResponse:
        pairs = datastore.datalist()[: limit_cases or None]
        if not pairs:
            raise RequestError(
                "nothing_left", "No image has a final label.", "Review a case and store it."
            )
        folder = Path(tempfile.mkdtemp(prefix="d24fad-"))
        archive = folder / "dataset.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            for pair in pairs:
                for part, path in pair.items():
                    opened.write(path, f"{part}/{Path(path).name}")
        return FileResponse(
            archive,
            media_type="application/zip",
            filename="dataset.zip",
            background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
        )

    return routes


def _require_removable(services: Services, image: str) -> None:
    """Refuse to remove what others rely on.

    Raises:
        RequestError: the image is the operator's own, in a support set, or reviewed.
    """
    sets = services.support_sets.holding(image)
    if sets:
        raise RequestError(
            "in_use",
            f"The image '{image[:100]}' belongs to the support set {', '.join(sets)}.",
            "Remove it from the set first.",
        )
    if services.reviews.is_reviewed(image):
        raise RequestError(
            "in_use", f"The image '{image[:100]}' was reviewed.", "Keep it: the review rests on it."
        )
    if not services.images.was_uploaded(image):
        raise RequestError(
            "read_only",
            f"The image '{image[:100]}' is the operator's own, not one that a client sent.",
            "Ask the operator to remove it from the studies.",
        )


def _receive(file: UploadFile, folder: Path) -> Path:
    path = folder / f"received{_suffix(file.filename or '')}"
    with path.open("wb") as stream:
        shutil.copyfileobj(file.file, stream)
    require_alone(path, Path(file.filename or "").name[:100])
    return path


def _suffix(name: str) -> str:
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), None)
    if suffix is None:
        raise RequestError(
            "unreadable_image",
            f"The file '{Path(name).name[:100]}' is of no known type.",
            f"Send one of {', '.join(_SUFFIXES)}.",
        )
    return suffix
