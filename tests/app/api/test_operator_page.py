"""What the operator's page says is so."""

import re
import shlex
from dataclasses import fields
from enum import Enum
from pathlib import Path

from monailabel_app.configuration import TOKEN_VARIABLE, ServerConfiguration

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The lines of the page's blocks, each split into words."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    settings = {field.name: field.default for field in fields(ServerConfiguration)}
    del settings["token"]
    assert set(rows) == set(settings)
    for name, default in settings.items():
        value = default.value if isinstance(default, Enum) else str(default).lower()
        default_text = "the shipped one" if default is None else f"`{value}`"
        assert rows[name] == default_text, name
    assert TOKEN_VARIABLE in PAGE


def test_every_setting_of_a_command_is_one() -> None:
    starts = [words for words in commands() if "start_server" in words]
    assert len(starts) >= 3
    for words in starts:
        places = [place for place, word in enumerate(words) if word == "--conf"]
        conf = {words[place + 1]: words[place + 2] for place in places}
        ServerConfiguration.from_conf(conf, {})


def test_every_address_of_a_command_is_a_documented_route() -> None:
    requests = [words for words in commands() if words[0] == "curl"]
    assert len(requests) >= 3
    for words in requests:
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        (address,) = [word for word in words if word.startswith("http://")]
        route = address.partition("/d24fad/v1")[2].replace("RESULT", "{id}")
        assert f"`{method} {route}`" in API, address


def test_files_that_commands_copy_are_there() -> None:
    copied = [
        words[1] for words in commands() if words[0] == "cp" and not words[1].startswith("YOUR")
    ]
    assert copied
    assert all((ROOT / path).is_file() for path in copied)
