"""Whom https trusts: the system's authorities, those of Slicer, and one that the user names.

Slicer's launcher points `SSL_CERT_FILE` to Slicer's own bundle, and OpenSSL then no longer reads
the system's store, where a hospital's own authority is.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from ..logic.language import tr as _
from ..logic.messages import ExplainedError

SYSTEM_STORES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu
    Path("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),  # Fedora, RHEL
    Path("/etc/ssl/ca-bundle.pem"),  # openSUSE
    Path("/etc/ssl/cert.pem"),  # macOS, Alpine
)
"""Where the systems keep their authorities; Windows is read by Python itself."""


def trusting_context(authority: str = "", stores: Sequence[Path] = SYSTEM_STORES) -> ssl.SSLContext:
    """Settings for https that check the server's certificate.

    Args:
        authority: file with the certificate of a further authority (PEM); empty for none.
        stores: files of the system's authorities; those that are not there are left out.

    Raises:
        ExplainedError: the authority's file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    for store in stores:
        if store.is_file():
            _load_store(context, store)
    if authority.strip():
        _load_authority(context, Path(authority.strip()).expanduser())
    return context


def _load_store(context: ssl.SSLContext, store: Path) -> None:
    try:
        context.load_verify_locations(cafile=str(store))
    except (OSError, ssl.SSLError):
        return  # a damaged store of the system trusts nobody; what else is trusted stays so


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise ExplainedError(
            _("The certificate file {path} cannot be used ({reason}).").format(
                path=path, reason=error.strerror or error
            ),
            _(
                "Choose the file with the certificate of your authority, in PEM format "
                "(it begins with -----BEGIN CERTIFICATE-----)."
            ),
            "bad_authority",
        ) from error
