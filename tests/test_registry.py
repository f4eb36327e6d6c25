"""Registries: names, nearest names, `module:attribute`, and modules that do not import."""

import sys

import pytest

from vln.errors import InputError
from vln.registry import Registry, import_module


@pytest.fixture
def colours() -> Registry[str]:
    found = Registry[str]("colour", {"late": "string:digits"})
    found.register("red", "#f00")
    found.register("green", "#0f0")
    return found


def test_values_are_found_by_name_and_by_module(colours):
    assert colours.find("red") == "#f00"
    assert colours.find("late") == colours.find("string:digits") == "0123456789"
    assert colours.names() == ("late", "red", "green")


def test_register_decorates():
    makers = Registry("maker")

    @makers.register("one")
    def one() -> int:
        return 1

    assert makers.find("one") is one
    assert one() == 1


def test_what_is_found_tells_its_name():
    makers = Registry("maker")
    makers.register("int", int)
    assert makers.name_of(int) == "int"
    assert makers.find(makers.name_of(Registry)) is Registry


@pytest.mark.parametrize("name", ["red", "late"])
def test_a_name_is_registered_once(colours, name):
    with pytest.raises(InputError, match=f"colour '{name}': is registered already; choose another name"):
        colours.register(name, "#00f")
    with pytest.raises(InputError, match="without a colon"):
        colours.register("a:b", "#00f")


def test_an_unknown_name_tells_the_nearest(colours):
    with pytest.raises(InputError, match=r"colour: 'rde' is not known; use one of late, red, .* mean 'red'"):
        colours.find("rde")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such:thing", "module 'no_such' cannot be imported (ModuleNotFoundError: No module named 'no_such')"),
        ("string:digit", "module 'string' has no 'digit'; name something that is in it (did you mean 'digits'?)"),
        (":thing", "module '' cannot be imported"),
        ("broken:thing", "module 'broken' cannot be imported (ZeroDivisionError: division by zero)"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(colours, name, told, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as error:
        colours.find(name)
    assert str(error.value).startswith(f"colour '{name}': {told}")
    assert "\n" not in str(error.value)


def test_modules_of_the_current_folder_are_found(tmp_path, monkeypatch):
    (tmp_path / "of_my_own.py").write_text("ANSWER = 42\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    assert import_module("of_my_own", "--import").ANSWER == 42


def test_what_a_module_says_of_its_registration_is_kept(tmp_path, monkeypatch):
    text = "from vln.registry import Registry\nRegistry('thing').register('', 1)\n"
    (tmp_path / "nameless_thing.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="thing ''"):
        import_module("nameless_thing", "--import")
