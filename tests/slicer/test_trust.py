"""Whom https trusts, with real certificates and a real handshake."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, https_server
from D24FADSlicerLib.client import transport
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.client.trust import trusting_context
from D24FADSlicerLib.logic.messages import ExplainedError

from d24fad_core import __version__


def test_an_authority_that_the_user_names_is_trusted(study_server: Any, tmp_path: Path) -> None:
    hospital = Authority(tmp_path)
    with https_server(hospital.issue(), study_server.port) as address:
        assert Client(address, authority=str(hospital.path)).info().version == __version__


def test_another_authority_is_not(study_server: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    hospital, other = Authority(tmp_path), Authority(tmp_path / "other")
    port, certificate = study_server.port, hospital.issue()
    with https_server(certificate, port) as address, pytest.raises(ExplainedError) as caught:
        Client(address, authority=str(other.path)).info()
    assert caught.value.code == "tls"


def test_the_systems_store_counts_though_slicer_names_its_own(
    study_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Slicer: SSL_CERT_FILE hides the store in which the hospital's authority is."""
    (tmp_path / "slicer").mkdir()
    hospital, slicers = Authority(tmp_path), Authority(tmp_path / "slicer")
    monkeypatch.setenv("SSL_CERT_FILE", str(slicers.path))
    missing = tmp_path / "none.pem"

    def context(authority: str) -> ssl.SSLContext:
        return trusting_context(authority, (missing, hospital.path))

    monkeypatch.setattr(transport, "trusting_context", context)
    with https_server(hospital.issue(), study_server.port) as address:
        assert Client(address).info().version == __version__
        monkeypatch.setattr(
            transport, "trusting_context", lambda authority: trusting_context(authority, ())
        )
        with pytest.raises(ExplainedError) as caught:
            Client(address).info()
    assert caught.value.code == "tls"


def test_every_context_checks_the_servers_name() -> None:
    context = trusting_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_damaged_store_of_the_system_is_no_obstacle(tmp_path: Path) -> None:
    hospital = Authority(tmp_path)
    damaged = tmp_path / "store.pem"
    damaged.write_text("nothing")
    context = trusting_context(str(hospital.path), (damaged,))
    assert "Hospital CA" in str(context.get_ca_certs())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_is_no_certificate_is_explained(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "mine.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ExplainedError) as caught:
        Client("https://127.0.0.1:1", authority=str(path))
    assert caught.value.code == "bad_authority"
    assert "mine.pem" in caught.value.cause
    assert "PEM" in caught.value.remedy


def test_plain_http_needs_no_authority(tmp_path: Path) -> None:
    Client("http://127.0.0.1:1", authority=str(tmp_path / "none.pem"))
