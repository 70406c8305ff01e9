"""`POST /infer/{model}` in place of the stock route.

The stock route computes in the server's event loop, so nothing else is answered meanwhile, opens
any path of the machine and leaves its temporary files when a request fails.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import JSONResponse, Response
from requests_toolbelt import MultipartEncoder

from monailabel_app.analysis.dicom_results import dicom_bytes
from monailabel_app.failures import RequestError
from monailabel_app.monai_label.inference import Inference
from monailabel_app.monai_label.routes.form_params import parse_params
from monailabel_app.services import Services

_READABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
# `image`, `model` and the like of the form would otherwise overrule what the address says.
_TAKEN_FROM_FORM = frozenset(
    {
        "support",
        "support_set",
        "planes",
        "threshold",
        "minimum_volume_ml",
        "ct_window",
        "register",
        "modality",
        "brain",
        "comparison",
        "prior",
        "result_extension",
        "save_label",
    }
)


def router(services: Services, inference: Inference) -> APIRouter:
    """The route, bound to services and models."""
    routes = APIRouter(prefix="/infer", tags=["Infer"])

    # A plain `def` runs in a worker thread and leaves the event loop free.
    @routes.post("/{model}", summary="Analyse an image")
    def run_inference(
        model: str,
        image: str = "",
        session_id: str = "",
        params: Annotated[str, Form()] = "{}",
        file: Annotated[UploadFile | None, File()] = None,
        output: Literal["image", "json", "all", "dicom_seg"] | None = None,
    ) -> Response:
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            request = _parse(params)
            request["model"] = model
            request["result_write_to_file"] = output not in ("json", "dicom_seg")
            if file is not None:
                request["uploaded"] = _receive(file, Path(folder))
            elif session_id:
                raise RequestError(
                    "route_closed",
                    "This server keeps no sessions.",
                    "Send the image as 'file' of the form, or name an image of the server.",
                )
            else:
                request["image"] = image
            result = inference.run(request)
            if output == "dicom_seg":
                stored_result = services.results.get(result["params"]["result"])
                dataset = services.dicom_results.segmentation(stored_result)
                return Response(dicom_bytes(dataset), media_type="application/dicom")
            return _respond(model, result["file"], result["params"], output)

    return routes


def _parse(params: str) -> dict[str, Any]:
    values = parse_params(params)
    return {name: value for name, value in values.items() if name in _TAKEN_FROM_FORM}


def _receive(file: UploadFile, folder: Path) -> Path:
    """Keep an image that came with the request for as long as the request lasts."""
    name = file.filename or "image.nii.gz"
    suffix = next((suffix for suffix in _READABLE if name.lower().endswith(suffix)), None)
    if suffix is None:
        raise RequestError(
            "unreadable_image",
            f"The file '{Path(name).name[:100]}' is of no known type.",
            f"Send one of {', '.join(_READABLE)}.",
        )
    path = folder / f"image{suffix}"
    with path.open("wb") as stream:
        shutil.copyfileobj(file.file, stream)
    return path


def _respond(model: str, file: str | None, answer: dict[str, Any], output: str | None) -> Response:
    if file is None:
        return JSONResponse(answer)
    path = Path(file)
    try:
        content = path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    # MONAI Label's client saves by this name, all models in one folder.
    name = f"{model}-{answer['result'][:8]}{suffix}"
    kind = "application/octet-stream"
    if output == "image":
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type=kind, headers=disposition)
    fields = {
        "params": (None, json.dumps(answer), "application/json"),
        "image": (name, content, kind),
    }
    message = MultipartEncoder(fields=fields)
    return Response(message.to_string(), media_type=message.content_type)
