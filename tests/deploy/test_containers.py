"""What the containers run, run here: the PACS, the server and the proxy by their start scripts.

No image is built, which takes a Docker daemon. Scripts, settings and the environment of
compose.yaml are the real ones, and so are Debian's programs; addresses, ports and folders are this
test's.
"""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import pytest
import requests

pytest.importorskip("compose_spec")

from monailabel_app.reserved_port import ReservedPort
from monailabel_app.server_process import ServerProcess
from tests.app.nginx import (
    NGINX,
    needs_nginx,
    user_line,
    wait_for,
    write_certificate,
    write_site,
)
from tests.app.orthanc import Orthanc, available
from tests.app.pacs_series import CASE, write_head
from tests.deploy.composition import DEPLOY, ROOT, images, services

PEOPLE = ("anna", "her password")
TOKEN, PACS_PASSWORD = "a token of the tests", "a password of the tests"

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    needs_nginx,
    pytest.mark.skipif(
        not available() and "CI" not in os.environ,
        reason="Debian's orthanc and orthanc-dicomweb are not installed",
    ),
    pytest.mark.skipif(
        shutil.which("curl") is None and "CI" not in os.environ,
        reason="Debian's curl is not installed",
    ),
]


@dataclass(frozen=True)
class Stack:
    """All three, running.

    Attributes:
        proxy, server, pacs: addresses.
        certificate: of the proxy.
        configuration: its nginx.conf.
        series: UID of the series that the PACS holds.
    """

    proxy: str
    server: str
    pacs: str
    certificate: Path
    configuration: Path
    series: str

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask through the proxy."""
        return requests.get(self.proxy + path, verify=str(self.certificate), timeout=600, **options)


def write_secrets(folder: Path) -> dict[str, str]:
    """The files that compose.yaml wants; returns where the scripts find them."""
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "server_token").write_text(f"{TOKEN}\n")
    (secrets / "pacs_password").write_text(f"{PACS_PASSWORD}\n")
    (secrets / "users").write_text(user_line(*PEOPLE))
    write_certificate(secrets / "certificate", secrets / "certificate_key")
    return {"D24FAD_SECRETS": str(secrets)}


def link_secrets(folder: Path) -> None:
    """The links of the proxy's image."""
    for link, secret in (
        ("d24fad.pem", "certificate"),
        ("d24fad.key", "certificate_key"),
        ("d24fad.users", "users"),
    ):
        (folder / link).symlink_to(folder / "secrets" / secret)


def write_nginx(folder: Path, port: int, server: str) -> Path:
    """The image's nginx.conf with this test's folder in it."""
    text = (DEPLOY / "nginx.conf").read_text()
    assert "/etc/d24fad/d24fad.conf" in text
    text = text.replace("/etc/d24fad/d24fad.conf", str(write_site(folder, port, server)))
    text = text.replace("/run/d24fad", str(folder))
    # Workers of a master that is root would else be nobody, who may not see a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(user + text)
    return path


def server_of(folder: Path, pacs: Orthanc, secrets: dict[str, str]) -> ServerProcess:
    """By the script and with the environment of the service, in front of this test's PACS."""
    service = services()["server"]
    environment = dict(service["environment"])
    assert environment["D24FAD_STUDIES"] == "http://orthanc:8042/dicom-web"
    environment |= {
        "D24FAD_STUDIES": pacs.dicomweb,
        "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "cache"),
        **secrets,
    }
    port = ReservedPort()
    environment["D24FAD_PORT"] = str(port.number)
    server = ServerProcess(
        pacs.dicomweb, folder / "server.log", environment=environment, port=port.number
    )
    server.command = ["env", "--chdir", str(ROOT), str(DEPLOY / "start-server")]
    server.command += service["command"]
    return server


def start_proxy(
    folder: Path, configuration: Path, secrets: dict[str, str]
) -> subprocess.Popen[bytes]:
    """By the script; it writes the token's line into the folder."""
    environment = {**os.environ, **secrets, "D24FAD_RUN": str(folder)}
    environment["PATH"] += f"{os.pathsep}/usr/sbin"
    with (folder / "nginx.log").open("wb") as log:
        return subprocess.Popen(
            [DEPLOY / "start-proxy", configuration], env=environment, stdout=log, stderr=log
        )


@pytest.fixture(scope="module")
def stack(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("containers")
    secrets = write_secrets(folder)
    link_secrets(folder)
    pacs = Orthanc(
        folder / "pacs",
        json.loads((DEPLOY / "orthanc.json").read_text()),
        [str(DEPLOY / "start-orthanc")],
        secrets,
        ("d24fad", PACS_PASSWORD),
    )
    try:
        series = write_head(cohort / "studies" / f"{CASE}.nii.gz", folder / "series")
        pacs.send(folder / "series")
        with server_of(folder, pacs, secrets) as server:
            reserved = ReservedPort()
            port = reserved.number
            configuration = write_nginx(folder, port, server.url)
            proxy = start_proxy(folder, configuration, secrets)
            try:
                wait_for(proxy, port, folder / "nginx.log")
                yield Stack(
                    f"https://localhost:{port}",
                    server.url,
                    pacs.url,
                    folder / "secrets" / "certificate",
                    configuration,
                    series,
                )
            finally:
                proxy.terminate()
                proxy.wait(60)
                reserved.release()
    finally:
        pacs.stop()


def test_nginx_finds_no_fault_in_its_files(stack: Stack) -> None:
    assert NGINX is not None
    check = subprocess.run(
        [NGINX, "-t", "-e", "stderr", "-c", stack.configuration],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
    assert "warn" not in check.stderr


def test_nobody_gets_in_without_a_password_or_the_token(stack: Stack) -> None:
    for path in ("/", "/ohif/", "/d24fad/v1/images", "/proxy/dicom/studies"):
        assert stack.get(path).status_code == 401
        assert stack.get(path, auth=(PEOPLE[0], "wrong")).status_code == 401
    assert requests.get(f"{stack.server}/d24fad/v1/images", timeout=120).status_code == 401
    assert requests.get(f"{stack.pacs}/dicom-web/studies", timeout=120).status_code == 401


def test_a_series_of_the_pacs_is_listed_and_fetched_through_the_proxy(stack: Stack) -> None:
    by_password = stack.get("/d24fad/v1/images", auth=PEOPLE).json()
    assert [item["image"] for item in by_password["items"]] == [stack.series]
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert stack.get("/d24fad/v1/images", headers=bearer).json() == by_password
    # The server fetches it from the PACS, with the password that both read from one file.
    image = stack.get(f"/d24fad/v1/images/{stack.series}/file?format=nifti", auth=PEOPLE)
    assert image.status_code == 200
    scan = nibabel.Nifti1Image.from_bytes(gzip.decompress(image.content))
    assert scan.ndim == 3


def test_ohif_comes_with_the_server_and_reads_the_pacs_through_it(stack: Stack) -> None:
    page = stack.get("/ohif/", auth=PEOPLE)
    assert page.status_code == 200
    assert "<html" in page.text
    studies = stack.get("/proxy/dicom/studies", auth=PEOPLE)
    assert studies.status_code == 200
    assert len(studies.json()) == 1


def healthy(url: str) -> bool:
    return subprocess.run([DEPLOY / "healthy", url], check=False).returncode == 0


def test_health_checks_tell_who_answers(stack: Stack) -> None:
    addresses = {
        "server": ("http://127.0.0.1:8000/", stack.server),
        "orthanc": ("http://127.0.0.1:8042/", stack.pacs),
        "proxy": ("https://127.0.0.1/", stack.proxy),
    }
    for name, (inside, here) in addresses.items():
        command, url = images()[name].health
        assert (command, url.startswith(inside)) == ("healthy", True)
        assert healthy(url.replace(inside, f"{here}/"))
    nobodys = ReservedPort()
    assert not healthy(f"http://127.0.0.1:{nobodys.number}/")
    nobodys.release()
