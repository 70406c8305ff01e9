"""The server behind a real nginx, with the configuration that operators copy."""

import gzip
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import requests

from monailabel_app.configuration import TOKEN_VARIABLE
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
from tests.app.window_server import window_server

TOKEN = "a token of the tests"
USER = ("anna", "her password")
OTHERS = {"Host": "d24fad.example.org"}

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    needs_nginx,
]


@dataclass(frozen=True)
class Proxy:
    """nginx in front of a server."""

    url: str
    certificate: Path
    server: ServerProcess

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(
            method, self.url + path, verify=str(self.certificate), timeout=600, **options
        )


def configure(folder: Path, port: int, server: ServerProcess) -> Path:
    """The operator's file with this test's names in it, inside an nginx.conf of its own."""
    site = write_site(folder, port, server.url)
    # Workers of a master that is root would else be nobody, who may not see a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;"
        "events {}\n"
        f"http {{ access_log off; {temporary} include {site}; }}\n"
    )
    return main


@pytest.fixture(scope="module")
def proxy(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    studies = folder / "studies"
    shutil.copytree(cohort / "studies", studies)
    certificate = folder / "d24fad.pem"
    write_certificate(certificate, folder / "d24fad.key")
    (folder / "d24fad.users").write_text(user_line(*USER))
    (folder / "d24fad.token").write_text(f'default "Bearer {TOKEN}";\n')
    conf = {"allow_remote": "true", "upload_mb": "64"}
    reserved = ReservedPort()
    port = reserved.number
    with window_server(studies, folder / "server.log", conf, {TOKEN_VARIABLE: TOKEN}) as server:
        main = configure(folder, port, server)
        assert NGINX is not None
        process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(main)])
        try:
            wait_for(process, port, folder / "error.log")
            yield Proxy(f"https://localhost:{port}", certificate, server)
        finally:
            process.terminate()
            process.wait(60)
            reserved.release()


@pytest.mark.parametrize("path", ["/", "/info/", "/d24fad/v1/", "/ohif/", "/datastore/"])
@pytest.mark.parametrize("credentials", [None, ("anna", "wrong"), ("nobody", USER[1])])
def test_nobody_gets_in_without_a_password(
    proxy: Proxy, path: str, credentials: tuple[str, str] | None
) -> None:
    answer = proxy.ask("GET", path, auth=credentials)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="D24FAD"'
    assert answer.json()["error"]["code"] == "unauthorised"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_wrong_token_is_refused_by_the_server_itself(proxy: Proxy, scheme: str) -> None:
    answer = proxy.ask("GET", "/info/", headers={"Authorization": f"{scheme} guessed"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthorised"


def test_the_server_is_closed_beside_the_proxy(proxy: Proxy) -> None:
    assert requests.get(f"{proxy.server.url}/info/", timeout=120).status_code == 401


@pytest.mark.parametrize("by", ["password", "token"])
def test_a_study_is_sent_and_analysed_through_the_proxy(
    proxy: Proxy, cohort: Path, by: str
) -> None:
    access: dict[str, Any] = (
        {"auth": USER, "headers": OTHERS}
        if by == "password"
        else {"headers": {**OTHERS, "Authorization": f"Bearer {TOKEN}"}}
    )
    study = (cohort / "studies" / "lesion-001.nii.gz").read_bytes()
    # One byte differs, so that each way in sends a study that is new.
    content = gzip.compress(gzip.decompress(study) + by.encode())
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"/d24fad/v1/uploads/{sha256}?name=sent-by-{by}.nii.gz"
    sent = proxy.ask("PUT", path, data=content, **access)
    assert sent.status_code == 201, sent.text
    answer = proxy.ask(
        "POST", f"/infer/anomaly?image=sent-by-{by}&output=json", data={"params": "{}"}, **access
    )
    assert answer.status_code == 200, answer.text
    heatmap = proxy.ask("GET", f"/d24fad/v1/results/{answer.json()['result']}/heatmap", **access)
    assert heatmap.status_code == 200
    assert nibabel.Nifti1Image.from_bytes(gzip.decompress(heatmap.content)).ndim == 3


def test_a_large_study_goes_through_and_a_larger_one_is_refused_in_json(
    proxy: Proxy, tmp_path: Path
) -> None:
    voxels = np.random.default_rng(0).normal(size=(256, 256, 200)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "large.nii")
    content = (tmp_path / "large.nii").read_bytes()
    assert 48 << 20 < len(content) < 64 << 20
    sha256 = hashlib.sha256(content).hexdigest()
    sent = proxy.ask("PUT", f"/d24fad/v1/uploads/{sha256}?name=l.nii", data=content, auth=USER)
    assert sent.status_code == 201, sent.text
    content += bytes(17 << 20)
    sha256 = hashlib.sha256(content).hexdigest()
    refusal = proxy.ask("PUT", f"/d24fad/v1/uploads/{sha256}?name=m.nii", data=content, auth=USER)
    assert refusal.status_code == 413
    assert refusal.json()["error"]["code"] == "too_large"


def test_a_web_page_served_by_the_proxy_may_ask_and_others_may_not(proxy: Proxy) -> None:
    own = proxy.ask("GET", "/info/", auth=USER, headers={"Origin": proxy.url})
    other = proxy.ask("GET", "/info/", auth=USER, headers={"Origin": "https://elsewhere.org"})
    assert own.status_code == 200
    assert other.status_code == 403
    assert proxy.ask("GET", "/ohif/", auth=USER).status_code == 200


def test_paths_that_leave_their_folder_stay_refused(proxy: Proxy) -> None:
    for path in ("/proxy/dicom/..%2F..%2Fsystem", "/d24fad/v1/images/..%2F..%2Fetc%2Fpasswd"):
        answer = proxy.ask("GET", path, auth=USER)
        assert 400 <= answer.status_code < 500, answer.text
        assert "root:" not in answer.text


def test_a_server_that_has_stopped_is_told_in_json(proxy: Proxy) -> None:
    proxy.server.stop()
    answer = proxy.ask("GET", "/info/", auth=USER)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "server_stopped"
