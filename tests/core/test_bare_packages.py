"""Packages that are there for the modules in them alone."""

import subprocess
import sys
import threading
from importlib import import_module

import pytest

from app.core.bare_packages import leave_bare


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that notes each run, with modules in it."""
    folder = tmp_path / "collects_all"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from builtins import runs_of_collects_all as runs\nruns.append(__name__)\n"
        "from .leaf import LEAF\n"
    )
    (folder / "leaf.py").write_text("import time\ntime.sleep(0.1)\nLEAF = 'green'\n")
    (folder / "twig.py").write_text("from . import leaf\nLEAF = leaf.LEAF\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.runs_of_collects_all", [], raising=False)
    yield "collects_all"
    for name in [name for name in sys.modules if name.startswith("collects_all")]:
        del sys.modules[name]


def runs() -> list[str]:
    return import_module("builtins").runs_of_collects_all


def test_modules_in_it_are_imported_without_it(package):
    leave_bare(package)
    assert import_module(f"{package}.twig").LEAF == "green"
    found = import_module(package)
    assert found.leaf is sys.modules["collects_all.leaf"]
    assert runs() == []


def test_what_it_would_collect_is_missed_with_the_reason(package):
    leave_bare(package)
    found = import_module(package)
    with pytest.raises(AttributeError, match=r"'LEAF'.*bare_packages"):
        _ = found.LEAF
    with pytest.raises(ImportError, match="LEAF"):
        exec("from collects_all import LEAF")
    assert not hasattr(found, "__wrapped__")


def test_one_that_has_run_stays_as_it_is(package):
    whole = import_module(package)
    leave_bare(package)
    assert import_module(package) is whole
    assert (whole.LEAF, runs()) == ("green", [package])


def test_one_that_does_not_exist_is_told():
    with pytest.raises(ModuleNotFoundError, match="there_is_none"):
        leave_bare("there_is_none")


def test_threads_may_do_so_at_once(package):
    seen: list[object] = []

    def use() -> None:
        leave_bare(package)
        seen.append(import_module(f"{package}.twig").LEAF)

    threads = [threading.Thread(target=use, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (seen, runs()) == (["green"] * 8, [])


def test_what_nobody_uses_of_an_sdk_is_not_loaded():
    code = (
        "import sys; from importlib import import_module;"
        "from app.core.bare_packages import leave_bare;"
        "from app.adapters.llm.chat_completions import ChatCompletions as C;"
        "leave_bare(*C.bare); client = import_module(C.sdk).AsyncOpenAI(api_key='k');"
        "print(sorted({'openai.types.chat', 'openai.resources', 'openai.lib.azure'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
