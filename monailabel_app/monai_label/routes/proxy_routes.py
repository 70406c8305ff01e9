"""`/proxy/dicom/...`: the studies' DICOMweb service for viewers in the browser, and nothing else.

The stock route passes on any path, so `..` reaches the rest of the PACS; it drops the query and
holds up the whole server while the PACS is slow.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import requests
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from monailabel.config import settings

from monailabel_app.failures import RequestError
from monailabel_app.services import Services

# PS3.18: UIDs, and the words between them.
_ALLOWED = re.compile(
    r"(studies|series|instances)(/[0-9.]{1,64}|"
    r"/(series|instances|frames|metadata|bulkdata|rendered|thumbnail)|/\d+(,\d+)*|/[0-9A-Fa-f]{8})*"
)
_PASSED_ON = ("content-type", "content-length", "etag", "last-modified")


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix="/proxy/dicom", include_in_schema=False)

    @routes.get("/{path:path}")
    def pass_on(path: str, request: Request) -> StreamingResponse:
        if services.studies_kind != "dicomweb":
            raise RequestError(
                "route_closed",
                "The studies of this server do not come from a PACS.",
                "Get images with GET /d24fad/v1/images/{image}/file.",
            )
        operation, _, rest = path.partition("/")
        target = rest if operation in ("wado", "qido") else path
        if unquote(target) != target or not _ALLOWED.fullmatch(target.rstrip("/")):
            raise RequestError(
                "bad_identifier",
                f"'{path[:100]}' is no DICOMweb address of a study.",
                "Ask below studies/.",
            )
        is_query = operation == "qido" and not target.endswith("metadata")
        prefix = settings.MONAI_LABEL_QIDO_PREFIX if is_query else settings.MONAI_LABEL_WADO_PREFIX
        address = "/".join(
            filter(None, (settings.MONAI_LABEL_STUDIES.strip().rstrip("/"), prefix, target))
        )
        return _fetch(address, request)

    return routes


def _fetch(address: str, request: Request) -> StreamingResponse:
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    try:
        answer = requests.get(
            address,
            params=list(request.query_params.multi_items()),
            headers={"Accept": request.headers.get("accept", "*/*")},
            auth=(user, password) if user and password else None,
            stream=True,
            timeout=settings.MONAI_LABEL_DICOMWEB_PROXY_TIMEOUT,
        )
    except requests.RequestException as error:
        raise RequestError(
            "pacs_unreachable",
            f"The PACS did not answer ({type(error).__name__}).",
            "Try again; ask the operator whether it runs.",
        ) from error
    headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    if "content-encoding" in answer.headers:
        headers.pop("content-length", None)  # requests unpacks it
    return StreamingResponse(_parts(answer), answer.status_code, headers)


def _parts(answer: requests.Response) -> Iterator[bytes]:
    with answer:
        yield from answer.iter_content(1 << 16)
