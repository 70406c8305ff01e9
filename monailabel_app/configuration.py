"""The operator's settings: `--conf NAME VALUE` on the command line of `monailabel start_server`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.errors import ConfigurationError

TOKEN_VARIABLE = "D24FAD_SERVER_TOKEN"


@dataclass(frozen=True)
class ServerConfiguration:
    """Settings of one server.

    Attributes:
        support: image ids or shell-style patterns of ids, separated by commas; the studies of
            the support set `default`.
        checkpoint: folder of a checkpoint; None is the shipped one.
        comparison: of analyses that name none.
        device: torch device of the analysis.
        allow_remote: serve clients on other machines; otherwise only this machine's.
        upload_mb: largest body of a request, in MiB.
        queue_length: jobs that may wait.
        training_threads: threads that training may use beside the server.
        token: what clients send as `Authorization: Bearer`, from the environment variable
            `D24FAD_SERVER_TOKEN` so that it shows in no process list; empty needs none.
    """

    support: str = "support*"
    checkpoint: Path | None = None
    comparison: ComparisonChoice = ComparisonChoice.AUTO
    device: str = "cpu"
    allow_remote: bool = False
    upload_mb: int = 2048
    queue_length: int = 64
    training_threads: int = 1
    token: str = ""

    @classmethod
    def from_conf(
        cls, conf: Mapping[str, str], environment: Mapping[str, str] = os.environ
    ) -> "ServerConfiguration":
        """Read MONAI Label's `conf`.

        Raises:
            ConfigurationError: a value is not what its name needs, or the name is unknown.
        """
        known = {field.name for field in fields(cls)} - {"token"}
        # MONAI Label's own: `server_mode` is for its sub-processes, `models` for its sample apps.
        unknown = sorted(set(conf) - known - {"server_mode", "models"})
        if unknown:
            raise ConfigurationError(
                f"--conf {unknown[0]}: there is no such setting; known are "
                f"{', '.join(sorted(known))}.",
                "Correct the name.",
            )
        checkpoint = conf.get("checkpoint", "")
        return cls(
            support=conf.get("support", cls.support),
            checkpoint=Path(checkpoint).expanduser() if checkpoint else None,
            comparison=_comparison(conf.get("comparison", cls.comparison.value)),
            device=conf.get("device", cls.device),
            allow_remote=_boolean("allow_remote", conf.get("allow_remote", "false")),
            upload_mb=_positive("upload_mb", conf.get("upload_mb", str(cls.upload_mb))),
            queue_length=_positive("queue_length", conf.get("queue_length", str(cls.queue_length))),
            training_threads=_positive(
                "training_threads", conf.get("training_threads", str(cls.training_threads))
            ),
            token=environment.get(TOKEN_VARIABLE, "").strip(),
        )

    @property
    def support_patterns(self) -> tuple[str, ...]:
        """The patterns of `support`."""
        return tuple(part.strip() for part in self.support.split(",") if part.strip())


def _comparison(text: str) -> ComparisonChoice:
    choices = {choice.value: choice for choice in ComparisonChoice}
    if text.strip().lower() not in choices:
        raise ConfigurationError(
            f"--conf comparison {text}: there is no such comparison.",
            f"Give one of {', '.join(choices)}.",
        )
    return choices[text.strip().lower()]


def _boolean(name: str, text: str) -> bool:
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.strip().lower() not in values:
        raise ConfigurationError(
            f"--conf {name} {text}: the value must be true or false.",
            "Give one of the two.",
        )
    return values[text.strip().lower()]


def _positive(name: str, text: str) -> int:
    if not text.strip().isdigit() or int(text) < 1:
        raise ConfigurationError(
            f"--conf {name} {text}: the value must be a whole number above 0.",
            "Give such a number.",
        )
    return int(text)
