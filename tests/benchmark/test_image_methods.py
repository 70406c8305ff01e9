import json

import pytest

from d24fad_core.benchmark.image_methods import choose_methods, default_methods
from d24fad_core.errors import ConfigurationError


def test_every_method_has_a_name_of_its_own_and_can_be_written_down() -> None:
    methods = default_methods()
    assert len({method.name for method in methods}) == len(methods)
    lines = [json.dumps(method.to_dict(), sort_keys=True) for method in methods]
    assert len(set(lines)) == len(lines)


def test_methods_are_chosen_by_name_in_the_order_asked_for() -> None:
    methods = default_methods()
    assert choose_methods([], methods) == methods
    choice = choose_methods(["paper", "default", "paper"], methods)
    assert [method.name for method in choice] == ["paper", "default"]
    with pytest.raises(ConfigurationError, match=r"no method 'magic'; choose among default, .*"):
        choose_methods(["magic"], methods)
