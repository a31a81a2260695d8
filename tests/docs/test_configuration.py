"""The reference of the configuration is what the settings say, and its examples are good."""

from pydantic_core import PydanticUndefined

from gateway.config.sources import read
from tests.docs.configuration import COMMAND, PLACE, page, settings

SETTINGS = list(settings())


def test_the_page_is_what_the_settings_say() -> None:
    assert PLACE.read_text() == page(), f"run: {COMMAND}"


def test_every_setting_says_what_it_is() -> None:
    assert [each.shown for each in SETTINGS if not each.field.description] == []


def test_every_example_is_good_and_so_is_every_default() -> None:
    """Those that name a file are read by whoever has that file."""
    for each in [each for each in SETTINGS if not each.shapes]:
        for value in (each.example, each.default):
            if value not in (None, PydanticUndefined) and "file:///" not in str(value):
                each.read(value)


def test_every_variable_leads_to_its_setting() -> None:
    for each in [each for each in SETTINGS if not each.shapes and "0" not in each.place]:
        node: object = read(None, {}, {each.variable: "here"}).tree
        for name in each.place:
            assert isinstance(node, dict), each.variable
            node = node[name]
        assert node == "here", each.variable
