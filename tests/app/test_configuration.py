"""The operator's settings."""

import pytest

from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.errors import ConfigurationError
from monailabel_app.configuration import ServerConfiguration


def test_defaults() -> None:
    configuration = ServerConfiguration.from_conf({}, {})
    assert configuration.support_patterns == ("support*",)
    assert configuration.checkpoint is None
    assert configuration.comparison is ComparisonChoice.AUTO
    assert not configuration.allow_remote
    assert configuration.token == ""


def test_values_and_monai_labels_own_settings() -> None:
    configuration = ServerConfiguration.from_conf(
        {
            "support": "a, b*",
            "comparison": "window",
            "allow_remote": "True",
            "upload_mb": "10",
            "server_mode": "true",
        },
        {"D24FAD_SERVER_TOKEN": " secret "},
    )
    assert configuration.support_patterns == ("a", "b*")
    assert configuration.comparison is ComparisonChoice.WINDOW
    assert configuration.allow_remote
    assert configuration.upload_mb == 10
    assert configuration.token == "secret"


@pytest.mark.parametrize(
    "conf",
    [
        *({"suport": "a"}, {"upload_mb": "much"}, {"queue_length": "0"}),
        *({"allow_remote": "perhaps"}, {"comparison": "guessed"}),
    ],
)
def test_a_wrong_setting_is_named(conf: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(conf))):
        ServerConfiguration.from_conf(conf, {})
