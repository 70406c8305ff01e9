"""The Dockerfile and compose.yaml: linted, of one mind, and without rights that nobody needs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("compose_spec")

from tests.deploy.composition import DEPLOY, ROOT, composition, images, services

SCRIPTS = ("start-server", "start-orthanc", "start-proxy", "healthy")


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed (pip install '.[test]')")
    lint = subprocess.run(
        [hadolint, "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_ones_of_any_shell(name: str) -> None:
    script = DEPLOY / name
    assert script.stat().st_mode & 0o111
    shell = shutil.which("dash") or "sh"
    subprocess.run([shell, "-n", script], check=True)


def test_every_service_is_built_from_a_stage_of_the_dockerfile() -> None:
    stages = images()
    assert set(services()) == set(stages) == {"proxy", "server", "orthanc"}
    for name, service in services().items():
        build = service["build"]
        assert build["target"] == name
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert ROOT / build["dockerfile"] == DEPLOY / "Dockerfile"


def test_what_images_copy_is_there_and_not_ignored() -> None:
    admitted = [
        line[1:]
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for stage in images().values():
        for source in stage.copies:
            assert (ROOT / source).exists(), source
            assert any(Path(source).is_relative_to(each) for each in admitted), source
    for each in admitted:
        assert (ROOT / each).exists(), each


@pytest.mark.parametrize("name", ["proxy", "server", "orthanc"])
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    image, service = images()[name], services()[name]
    (user,) = image.of("USER")
    assert int(user) > 0
    assert image.instructions.index(("USER", user)) > max(
        image.instructions.index(("RUN", command)) for command in image.of("RUN")
    )
    assert ":" in image.base and not image.base.endswith(":latest")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert image.health[0] == "healthy"
    assert not {"privileged", "user", "cap_add"} & set(service)


def test_only_the_proxy_and_the_dicom_port_can_be_reached() -> None:
    listening = services()
    assert listening["server"]["network_mode"] == "service:proxy"
    assert "ports" not in listening["server"]
    assert listening["proxy"]["ports"] == ["443:443"]
    assert listening["orthanc"]["ports"] == ["127.0.0.1:4242:4242"]


def test_each_script_gets_the_secrets_that_it_reads() -> None:
    settings = {
        "server": {"server_token", "pacs_password"},
        "orthanc": {"pacs_password"},
        "proxy": {"server_token", "users", "certificate", "certificate_key"},
    }
    for name, value in settings.items():
        assert set(services()[name]["secrets"]) == value
        script = (DEPLOY / f"start-{name}").read_text()
        links = " ".join(images()[name].of("RUN"))
        for secret in value:
            assert f"/{secret}" in script or f"/run/secrets/{secret} " in links
    declared = composition().to_dict()["secrets"]
    assert set(declared) == set().union(*settings.values())
    assert {secret["file"] for secret in declared.values()} == {
        f"secrets/{name}" for name in declared
    }
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/secrets/" in ignored


def test_what_must_last_lies_in_volumes() -> None:
    declared = composition().to_dict()["volumes"]
    for name, volume in (("server", "server"), ("orthanc", "pacs")):
        (place,) = images()[name].of("VOLUME")
        assert services()[name]["volumes"] == [f"{volume}:{place}"]
        assert volume in declared
    environment = services()["server"]["environment"]
    assert environment["MONAI_LABEL_DICOMWEB_CACHE_PATH"] == images()["server"].of("VOLUME")[0]
