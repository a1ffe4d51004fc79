"""Packages that run when something of them is used; what is in them can be imported at once."""

import sys
import threading
from importlib import import_module

import pytest

from app.core.late_packages import run_late


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that notes each run, and takes its time; with a module in it."""
    folder = tmp_path / "collects_all"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "import builtins, time\n"
        "builtins.runs_of_collects_all.append(__name__)\n"
        "time.sleep(0.05)\n"
        "if builtins.runs_of_collects_all == ['fails']: raise ValueError('once')\n"
        "from . import leaf as tree\n"
        "from .leaf import LEAF\n"
        "ALL = [LEAF]\n"
    )
    (folder / "leaf.py").write_text("LEAF = 'green'\n")
    (folder / "twig.py").write_text("from . import leaf\nLEAF = leaf.LEAF\n")
    (tmp_path / "beside.py").write_text("from collects_all.twig import LEAF\nimport collects_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.runs_of_collects_all", [], raising=False)
    yield "collects_all"
    for name in [name for name in sys.modules if name.startswith(("collects_all", "beside"))]:
        del sys.modules[name]


def runs() -> list[str]:
    return import_module("builtins").runs_of_collects_all


def imported(package: str):
    with run_late([package]):
        import_module("beside")
    return sys.modules[package]


def test_a_module_in_it_is_imported_without_it(package):
    found = imported(package)
    assert sys.modules["beside"].LEAF == "green"
    assert runs() == []
    assert found.LEAF == "green"
    assert found.tree is sys.modules["collects_all.leaf"]
    assert runs() == [package]
    assert found.ALL == ["green"]
    assert runs() == [package]


def test_afterwards_packages_run_at_once_again(package):
    finders = list(sys.meta_path)
    with pytest.raises(ModuleNotFoundError), run_late(["there_is_none"]):
        import_module("there_is_none")
    assert sys.meta_path == finders
    import_module(package)
    assert runs() == [package]


def test_everybody_waits_for_the_one_run(package):
    found = imported(package)
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(found.ALL)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["green"]] * 5
    assert runs() == [package]


def test_what_is_not_in_it_is_missed_as_everywhere(package):
    found = imported(package)
    with pytest.raises(AttributeError, match="collects_all"):
        _ = found.BRANCH
    assert not hasattr(found, "__wrapped__")
    with pytest.raises(ImportError):
        exec("from collects_all import BRANCH")


def test_a_run_that_failed_is_tried_again(package, monkeypatch):
    found = imported(package)
    monkeypatch.setattr("builtins.runs_of_collects_all", Failing(["fails"]))
    with pytest.raises(ValueError, match="once"):
        _ = found.ALL
    runs().append("again")
    assert found.ALL == ["green"]


class Failing(list):
    """Stays as it is at the first run."""

    def append(self, name: str) -> None:
        if name != "collects_all" or len(self) > 1:
            super().append(name)
