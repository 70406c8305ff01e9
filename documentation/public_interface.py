"""The reference of the Python interface: what `d24fad_core.__all__` names, by room."""

import d24fad_core

_HEAD = """Python interface
================

Import these from `d24fad_core`; see the README for an example.
{notice}
"""


def interface_reference() -> str:
    """reStructuredText in which Sphinx puts the docstrings."""
    rooms: dict[str, list[str]] = {}
    for name in d24fad_core.__all__:
        value = getattr(d24fad_core, name)
        if not isinstance(value, str):
            rooms.setdefault(value.__module__.split(".")[1], []).append(name)
    parts = [_HEAD.format(notice=d24fad_core.RESEARCH_USE_ONLY)]
    for room, names in rooms.items():
        parts.append(f"{room}\n{'-' * len(room)}\n")
        parts += [_directive(name) for name in names]
    return "\n".join(parts)


def _directive(name: str) -> str:
    kind = "autoclass" if isinstance(getattr(d24fad_core, name), type) else "autofunction"
    return f".. {kind}:: d24fad_core.{name}\n"
