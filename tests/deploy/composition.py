"""What deploy/ says: the services of compose.yaml and the images of the Dockerfile."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose_spec import PyCompose

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Image:
    """A stage of the Dockerfile.

    Attributes:
        base: what it is built from.
        instructions: the others, as (name, rest of the line); continued lines are joined.
    """

    base: str
    instructions: tuple[tuple[str, str], ...]

    def of(self, name: str) -> list[str]:
        """What follows an instruction each time that it stands."""
        return [rest for instruction, rest in self.instructions if instruction == name]

    @property
    def copies(self) -> Iterator[str]:
        """What is copied into it, by its path in the repository."""
        for rest in self.of("COPY"):
            yield from [word for word in rest.split() if not word.startswith("--")][:-1]

    @property
    def health(self) -> list[str]:
        """The command of its health check."""
        (check,) = self.of("HEALTHCHECK")
        return list(json.loads(check.partition("CMD ")[2]))


def images() -> dict[str, Image]:
    """The stages of the Dockerfile by name."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    stages: dict[str, Image] = {}
    name = ""
    for line in lines:
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            base, name = rest.split(" AS ")
            stages[name] = Image(base, ())
        else:
            stage = stages[name]
            stages[name] = Image(stage.base, (*stage.instructions, (instruction, rest)))
    return stages


def composition() -> PyCompose:
    """compose.yaml as it is where no variable is set; refused unless it follows the standard."""
    text = (DEPLOY / "compose.yaml").read_text()
    return PyCompose.from_yaml(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


def services() -> dict[str, Any]:
    """Its services by name."""
    return dict(composition().to_dict()["services"])
