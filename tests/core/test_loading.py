"""A process that serves loads what it needs, and leaves the libraries as they are otherwise."""

import subprocess
import sys

import pytest

SERVING = "import main; from app.core.loading import load_the_rest; "


def said(code: str, tmp_path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import gc, sys; " + code],
        env={"DATA_DIR": str(tmp_path), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["rich", "pygments", "phonenumbers", "email_validator", "jwt"])
def test_what_serving_does_not_need_is_not_loaded(name, tmp_path):
    assert said(SERVING + f"print({name!r} in sys.modules)", tmp_path) == "False"


def test_what_was_put_off_is_loaded_before_requests_need_it(tmp_path):
    then = "load_the_rest(); print({'phonenumbers', 'email_validator'} <= set(sys.modules))"
    assert said(SERVING + then, tmp_path) == "True"


def test_garbage_is_looked_for_again_once_all_is_loaded(tmp_path):
    assert said(
        "from app.core.loading import *; begin_loading(); print(gc.isenabled())", tmp_path
    ) == ("False")
    assert said(SERVING + "print(gc.isenabled())", tmp_path) == "True"


def test_only_fastapi_s_own_models_wait_and_they_are_whole_when_used(tmp_path):
    code = """
from fastapi.openapi.models import OpenAPI, Response
from pydantic import BaseModel

class Later(BaseModel):
    x: int

print(Later.__pydantic_complete__, "defer_build" in BaseModel.model_config)
print(Response.__pydantic_complete__, Response(description="x").description)
print(len(main.app.openapi()["paths"]) > 50)
import rich
"""
    given = SERVING + "\n" + code
    assert said(given, tmp_path).splitlines() == ["True False", "False x", "True"]


def test_a_provider_s_library_is_loaded_after_the_start_and_before_the_first_chat(tmp_path):
    code = """
import asyncio
from pydantic import SecretStr
from app.adapters.embedder import EMBEDDERS
from app.adapters.llm import PROVIDERS
from app.core.settings import Settings
from app.ports.llm import Conduct

async def seen():
    settings = Settings(provider_variables={"OPENAI_API_KEY": SecretStr("k")})
    async with (
        PROVIDERS["openai"].open(settings, Conduct()) as provider,
        EMBEDDERS["openai"].open(settings) as embedder,
    ):
        yield {"openai", "httpcore2"} & set(sys.modules)
        await provider.prepare()
        await embedder.prepare()
        yield {"openai", "httpcore2"} & set(sys.modules)

async def told():
    print([sorted(names) async for names in seen()])

asyncio.run(told())
"""
    assert said(code, tmp_path) == "[[], ['httpcore2', 'openai']]"
