"""The names of BIDS files: entities, a suffix and an extension."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ENTITY = re.compile(r"([a-z]+)-([a-zA-Z0-9+]+)")
_SUFFIX = re.compile(r"[a-zA-Z0-9]+")


@dataclass(frozen=True)
class ScanName:
    """What a file's name says.

    Attributes:
        entities: value by entity, as `{"sub": "01", "ses": "1"}`, in the order of the name.
        suffix: such as `T1w`.
        extension: such as `.nii.gz`, with the dot.
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str

    @classmethod
    def parse(cls, name: str) -> "ScanName | None":
        """What a name says; None for one that BIDS does not know."""
        stem, dot, extension = name.partition(".")
        *parts, suffix = stem.split("_")
        matches = [_ENTITY.fullmatch(part) for part in parts]
        if not dot or not _SUFFIX.fullmatch(suffix):
            return None
        entities: dict[str, str] = {}
        for match in matches:
            if match is None or match[1] in entities:
                return None
            entities[match[1]] = match[2]
        return cls(entities, suffix, f".{extension}")

    def derived(self, suffix: str, extension: str, description: str) -> str:
        """The name of a file that was made from this one.

        Args:
            suffix: of the new file.
            extension: of the new file, with the dot.
            description: value of its entity `desc`, which stands last.
        """
        entities = {**self.entities}
        entities.pop("desc", None)
        entities["desc"] = description
        words = [f"{entity}-{value}" for entity, value in entities.items()]
        return "_".join([*words, suffix]) + extension
