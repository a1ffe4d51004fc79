"""Packages that run when something of them is used; what is in them can be imported at once."""

import subprocess
import sys
import threading
from importlib import import_module

import pytest

from app.core.late_packages import put_off

PACKAGE = """
import time
from builtins import runs_of_collects_all
runs_of_collects_all.append(__name__)
time.sleep(0.05)
if runs_of_collects_all == ["fails"]:
    raise ValueError("once")
from . import leaf as tree
from .leaf import LEAF
from .slow import SLOW
ALL = [LEAF]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that notes each run, and takes its time; with modules in it."""
    folder = tmp_path / "collects_all"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "leaf.py").write_text("LEAF = 'green'\n")
    (folder / "twig.py").write_text("from . import leaf\nLEAF = leaf.LEAF\n")
    slow = "import time\ntime.sleep(0.3)\nfrom . import leaf\nSLOW = leaf.LEAF\n"
    (folder / "slow.py").write_text(slow)
    (folder / "asks.py").write_text("import time\ntime.sleep(0.3)\nfrom . import ALL\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.runs_of_collects_all", [], raising=False)
    yield "collects_all"
    for name in [name for name in sys.modules if name.startswith("collects_all")]:
        del sys.modules[name]


def runs() -> list[str]:
    return import_module("builtins").runs_of_collects_all


def put_off_with_a_module(package: str):
    put_off(package)
    assert import_module(f"{package}.twig").LEAF == "green"
    assert runs() == []
    return import_module(package)


def test_a_module_in_it_is_imported_without_it(package):
    found = put_off_with_a_module(package)
    assert found.leaf is sys.modules["collects_all.leaf"]
    assert runs() == []
    assert found.ALL == ["green"]
    assert found.tree is found.leaf
    assert import_module(package).ALL is found.ALL
    assert runs() == [package]


def test_one_that_has_run_stays_as_it_is(package):
    whole = import_module(package)
    put_off(package)
    assert import_module(package) is whole
    assert runs() == [package]


def test_one_that_does_not_exist_is_told():
    with pytest.raises(ModuleNotFoundError, match="there_is_none"):
        put_off("there_is_none")


@pytest.mark.parametrize("other", ["slow", "asks"])
def test_threads_wait_for_the_one_run_and_not_for_each_other(package, other):
    found = put_off_with_a_module(package)
    seen: list[object] = []

    def within() -> None:
        import_module(f"{package}.{other}")
        seen.append(found.ALL)

    threads = [
        threading.Thread(target=work, daemon=True)
        for work in (within, *[lambda: seen.append(found.ALL)] * 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == [["green"]] * 5
    assert runs() == [package]


def test_what_is_not_in_it_is_missed_as_everywhere(package):
    found = put_off_with_a_module(package)
    with pytest.raises(AttributeError, match="collects_all"):
        _ = found.BRANCH
    assert not hasattr(found, "__wrapped__")
    with pytest.raises(ImportError):
        exec("from collects_all import BRANCH")


def test_a_run_that_failed_is_tried_again(package, monkeypatch):
    found = put_off_with_a_module(package)
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


@pytest.mark.parametrize(
    ("loading", "left_out"),
    [
        (
            "from app.adapters.llm.chat_completions import ChatCompletions as C;"
            "put_off(*C.late); sdk = import_module(C.sdk);"
            "client = sdk.AsyncOpenAI(api_key='k')",
            {"openai.types.chat", "openai.resources", "openai.lib.azure"},
        ),
        (
            "import app.command_line.__main__;put_off('uvicorn'); import app.command_line.serve",
            {"uvicorn.main", "click", "typer"},
        ),
    ],
)
def test_what_nobody_uses_of_libraries_is_not_loaded(loading, left_out):
    """And the libraries are whole for who uses them."""
    code = (
        "import sys; from importlib import import_module;"
        f"from app.core.late_packages import put_off; {loading};"
        f"print(sorted({left_out!r} & set(sys.modules)));"
        "import openai, uvicorn; print(openai.AsyncOpenAI.__name__, openai.types.ChatModel != '',"
        " uvicorn.run.__name__, openai.AsyncOpenAI is import_module('openai._client').AsyncOpenAI)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "AsyncOpenAI True run True"]
