"""The connection to the PACS that MONAI Label's settings describe."""

from collections.abc import Mapping

import requests
from dicomweb_client.session_utils import create_session_from_user_pass
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX
from requests.adapters import HTTPAdapter

from d24fad_core.volumes.volume import Modality
from monailabel_app.monai_label.datastore import PacsStudies

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 60.0
_ATTEMPTS, _WAIT_MILLISECONDS = 2, 250


class _PatientAdapter(HTTPAdapter):
    """Gives up on a PACS that says nothing; without it a request waits for ever."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request, with a limit on the silence of the other side."""
        timeout = timeout or (_CONNECT_SECONDS, _READ_SECONDS)
        return super().send(request, stream, timeout, verify, cert, proxies)


def pacs_studies(address: str) -> PacsStudies:
    """The studies of the PACS at an address.

    Args:
        address: root of its DICOMweb service.
    """
    user = settings.MONAI_LABEL_DICOMWEB_USERNAME or settings.MONAI_LABEL_DATASTORE_USERNAME
    password = settings.MONAI_LABEL_DICOMWEB_PASSWORD or settings.MONAI_LABEL_DATASTORE_PASSWORD
    known = user and password
    session = create_session_from_user_pass(user, password) if known else requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _PatientAdapter())
    client = DICOMwebClientX(
        url=address,
        session=session,
        qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
        wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
        stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
    )
    # Five attempts, the client's default, take half a minute to say that nobody is there.
    client.set_http_retry_params(True, _ATTEMPTS, _WAIT_MILLISECONDS)
    cache = settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or settings.MONAI_LABEL_DATASTORE_CACHE_PATH
    # MONAI Label's own default finds CT only; only an operator's filter replaces ours.
    is_set = "MONAI_LABEL_DICOMWEB_SEARCH_FILTER" in settings.model_fields_set
    search = (
        [settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER]
        if is_set
        else [{"Modality": modality.value} for modality in Modality]
    )
    return PacsStudies(client, cache.strip() or None, search)
