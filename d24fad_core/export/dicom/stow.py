"""Sending DICOM objects to an archive by STOW-RS."""

from collections.abc import Iterable

import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset

from d24fad_core.errors import ConfigurationError, InputError


def stow_client(url: str) -> DICOMwebClient:
    """A client of an archive.

    Args:
        url: of its DICOMweb service, such as `http://pacs:8042/dicom-web`.

    Raises:
        ConfigurationError: it is no such address.
    """
    try:
        return DICOMwebClient(url)
    except ValueError as error:
        raise ConfigurationError(
            f"{url}: is no address of a DICOMweb service ({error})",
            "give one such as http://pacs:8042/dicom-web.",
        ) from error


def send(client: DICOMwebClient, objects: Iterable[Dataset]) -> None:
    """Send objects to an archive, all of them in one request.

    Raises:
        InputError: the archive cannot be reached, or does not take all of them.
    """
    try:
        answer = client.store_instances(list(objects))
    except (requests.RequestException, OSError) as error:
        raise InputError(
            f"{client.base_url}: did not take the results ({type(error).__name__}: {error})",
            "check the address and whether it accepts STOW-RS.",
        ) from error
    refusals = len(answer.get("FailedSOPSequence", []))
    if refusals:
        raise InputError(
            f"{client.base_url}: refused {refusals} of the objects",
            "ask whoever runs the archive.",
        )
