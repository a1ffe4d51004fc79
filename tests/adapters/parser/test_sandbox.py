"""The sandbox with parsers that do their worst: the document fails, nothing else does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.adapters.parser.sandbox.orders import Limits
from app.adapters.parser.sandbox.process_sandbox import PREVIEW_LIMITS, open_sandbox
from app.ports.parser import (
    Cut,
    DocumentEmpty,
    DocumentTooComplex,
    DocumentUnreadable,
    ParsingUnavailable,
)
from tests.support import hostile_parsers
from tests.support.hostile_parsers import PARSERS

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024
SMALL = Limits(memory_bytes=512 * MIB, cpu_s=1, wall_s=20, output_chars=100_000)
CUT = Cut(size=100, overlap=0)


@pytest.fixture
def sandbox():
    with open_sandbox(SMALL, registry=hostile_parsers.__name__) as opened:
        yield opened


def children() -> list[psutil.Process]:
    """Ours that read documents; the test database has processes of its own."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "app.adapters.parser.sandbox" in " ".join(process.cmdline())
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("loop", DocumentTooComplex),
        ("loop_in_c", DocumentTooComplex),
        ("greedy", DocumentTooComplex),
        ("greedy_at_once", DocumentTooComplex),
        ("flood_of_text", DocumentTooComplex),
        ("flood_of_bytes", DocumentTooComplex),
        ("segfault", DocumentUnreadable),
        ("abort", DocumentUnreadable),
        ("leave", DocumentUnreadable),
        ("liar", DocumentUnreadable),
        ("deep_liar", DocumentUnreadable),
        ("buggy", DocumentUnreadable),
        ("unborn", ParsingUnavailable),
    ],
)
async def test_a_bad_parser_gives_a_named_failure_and_is_gone(sandbox, name, kind):
    with pytest.raises(kind) as failure:
        await sandbox.chunks(PARSERS[name], b"x", CUT)
    assert type(failure.value) is kind
    assert children() == []


async def test_the_wall_clock_ends_what_only_waits():
    limits = Limits(wall_s=0.7, memory_bytes=512 * MIB)
    with open_sandbox(limits, registry=hostile_parsers.__name__) as sandbox:
        with pytest.raises(DocumentTooComplex, match="1 s"):
            await sandbox.chunks(PARSERS["sleep"], b"x", CUT)
        assert children() == []


async def test_what_a_preview_may_not_take_an_upload_may():
    limits = replace(PREVIEW_LIMITS, wall_s=0.7)
    told = pytest.raises(DocumentTooComplex, match="An upload is given more")
    with open_sandbox(limits, registry=hostile_parsers.__name__) as sandbox, told:
        await sandbox.chunks(PARSERS["sleep"], b"x", CUT)
    ours = Limits()
    assert PREVIEW_LIMITS.wall_s < ours.wall_s
    assert PREVIEW_LIMITS.cpu_s < ours.cpu_s


async def test_a_document_that_is_cancelled_leaves_no_process(sandbox):
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(sandbox.chunks(PARSERS["sleep"], b"x", CUT))
        while not children():
            await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait((reading,))
        assert children() == []


async def test_a_child_outlives_the_sigterm_that_all_processes_of_a_service_get():
    async def terminate() -> None:
        # Once it is polite it has asked not to be told.
        while not (found := children()) or found[0].nice() == 0:
            await asyncio.sleep(0.01)
        found[0].terminate()

    limits = Limits(wall_s=5, memory_bytes=512 * MIB)
    with open_sandbox(limits, registry=hostile_parsers.__name__) as sandbox:
        reading = sandbox.chunks(PARSERS["sleep"], b"x", CUT)
        _, failure = await asyncio.gather(terminate(), reading, return_exceptions=True)
    # Not as a damaged file does: it was waited for until its time was up.
    assert type(failure) is DocumentTooComplex


async def test_a_sigterm_to_a_child_that_only_starts_says_nothing_of_the_document(sandbox):
    async def terminate() -> None:
        while not (found := children()):
            await asyncio.sleep(0)
        found[0].suspend()
        assert found[0].nice() == 0, "it has begun already"
        found[0].terminate()
        found[0].resume()

    reading = sandbox.chunks(PARSERS["echo"], b"x", CUT)
    _, failure = await asyncio.gather(terminate(), reading, return_exceptions=True)
    assert type(failure) is ParsingUnavailable


async def test_a_child_dies_with_the_service_that_started_it():
    program = (
        "import asyncio; from tests.support.hostile_parsers import PARSERS;"
        "from app.adapters.parser.sandbox.process_sandbox import open_sandbox;"
        "from app.ports.parser import Cut\n"
        "with open_sandbox(registry='tests.support.hostile_parsers') as sandbox:\n"
        "    asyncio.run(sandbox.chunks(PARSERS['sleep'], b'x', Cut(100, 0)))\n"
    )
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT)
    try:
        async with asyncio.timeout(20):
            while not (found := psutil.Process(service.pid).children()):
                await asyncio.sleep(0.02)
            # Once it is polite it has asked to die with us.
            while found[0].nice() == 0:
                await asyncio.sleep(0.02)
            service.send_signal(signal.SIGKILL)
            while found[0].is_running():
                await asyncio.sleep(0.02)
    finally:
        if service.returncode is None:
            service.kill()
        await service.wait()


async def test_a_parser_that_was_taken_over_reaches_nothing(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_API_KEY", "sk-secret")
    chunks = await sandbox.chunks(PARSERS["spy"], b"x", Cut(size=2000, overlap=0))
    seen = dict(line.split(": ", 1) for line in chunks[0].content.split("\n\n"))
    variables = seen.pop("variables")
    assert "SECRET_API_KEY" not in variables
    assert "PATH" not in variables
    assert len(seen) == 10
    assert {name for name, what in seen.items() if what != "refused (Operation not permitted)"} == (
        set()
    )


async def test_where_the_kernel_cannot_refuse_python_does():
    program = (
        "import os, socket, sys; from app.adapters.parser.sandbox import confinement;"
        "sys.addaudithook(confinement._refuse)\n"
        "for attempt in (socket.socket, lambda: open('/etc/hostname'), lambda: os.unlink('/x')):\n"
        "    try: attempt()\n"
        "    except PermissionError: print('refused')\n"
    )
    command = [sys.executable, "-c", program]
    said = await asyncio.to_thread(subprocess.check_output, command, cwd=ROOT)
    assert said.split() == [b"refused"] * 3


async def test_a_hundred_crashes_leave_nothing_and_spoil_no_neighbour(sandbox):
    async def crash(number: int) -> None:
        with pytest.raises(DocumentUnreadable):
            await sandbox.chunks(PARSERS[("segfault", "leave", "liar")[number % 3]], b"x", CUT)

    descriptors = len(os.listdir("/proc/self/fd"))
    neighbour = sandbox.chunks(PARSERS["echo"], "Olá, vizinho.".encode(), CUT)
    *_, chunks = await asyncio.gather(*(crash(number) for number in range(100)), neighbour)
    assert chunks[0].content == "Olá, vizinho."
    assert children() == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_no_more_than_four_are_read_at_once(sandbox):
    async with asyncio.TaskGroup() as tasks:
        readings = [
            tasks.create_task(sandbox.chunks(PARSERS["sleep"], b"x", CUT)) for _ in range(6)
        ]
        deadline = time.monotonic() + 2
        most = 0
        while time.monotonic() < deadline:
            most = max(most, len(children()))
            await asyncio.sleep(0.05)
        for reading in readings:
            reading.cancel()
    assert most == 4


async def test_what_cannot_be_seen_or_kept_is_taken_out_of_every_format(sandbox):
    hidden = "a\x00b\u202ec\U000e0041d\u200be\ufefff e\u0301\r\ng\x1b[0m"
    chunks = await sandbox.chunks(PARSERS["echo"], hidden.encode(), CUT)
    assert chunks[0].content == "abcdef \u00e9\ng[0m"


async def test_white_space_is_an_empty_document(sandbox):
    with pytest.raises(DocumentEmpty):
        await sandbox.chunks(PARSERS["echo"], b" \n\t\x00 ", CUT)


async def test_no_chunk_crosses_a_page_but_for_a_sentence_that_runs_over(sandbox):
    pages = b"Um.\n\n\fDois e dois\f s\xc3\xa3o quatro. Outra frase.\n\n\f\f\nCinco."
    chunks = await sandbox.chunks(PARSERS["pages"], pages, CUT)
    assert [(chunk.page, chunk.content) for chunk in chunks] == [
        (1, "Um."),
        (2, "Dois e dois são quatro."),
        (3, "Outra frase."),
        (5, "Cinco."),
    ]
    text = pages.decode().replace("\f", "")
    assert all(text[chunk.char_start : chunk.char_end] == chunk.content for chunk in chunks)
