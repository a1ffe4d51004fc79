"""Calls of tools, by kinds that do what a kind must not."""

import asyncio
import json
import math
from types import SimpleNamespace

import pytest

from app.adapters.shared.memory import open_memory
from app.features.tools.kinds.kind import ToolFailed, ToolResult
from app.features.tools.results import MAX_RESULT_BYTES
from app.ports.store import StoreUnavailable
from tests.support.hand_clock import HandClock
from tests.support.tools import a_kind, a_runner, an_active_tool, an_occasion

pytestmark = [pytest.mark.anyio, pytest.mark.once]


def dumped(value):
    return json.dumps(value, separators=(",", ":"))


async def outcome_of(handler, arguments="{}", **fields):
    tool = an_active_tool(handler, **fields)
    return await a_runner().call(tool, arguments, an_occasion())


async def test_a_result_reaches_the_model_as_json():
    async def handler(arguments, _context):
        return {"heard": arguments["text"]}

    outcome = await outcome_of(handler, '{"text": "olá"}')
    assert (outcome.status, outcome.text) == ("succeeded", '{"heard":"olá"}')


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("{", "is not valid JSON"),
        ('"{}"', "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('{"text": 1}', "/text"),
        ('{"texto": "a"}', "texto"),
        ('{"ｔext": "a"}', "was unexpected"),
        ('{"text": "a", "text": "b"}', "twice"),
        ('{"text": NaN}', "is not valid JSON"),
        ('{"text": "\\ud800"}', "is not valid JSON"),
        ('{"text": "\\u0000"}', "NUL"),
        ('{"text": "' + "a" * 1_000_000 + '"}', "longer than 65536 bytes"),
        ('{"text":' * 5000 + "1" + "}" * 5000, "is not valid JSON"),
        ('{"text": 1' + "0" * 25 + "}", "beyond 64 bits"),
    ],
    ids=lambda value: ascii(value)[:25],
)
async def test_arguments_that_do_not_fit_are_the_models_to_mend(arguments, part):
    async def handler(_arguments, _context):
        raise AssertionError("must not be called")

    outcome = await outcome_of(handler, arguments)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.is_mendable) == ("invalid_arguments", True)
    assert part in outcome.error.detail
    assert len(outcome.text) < 1200


async def test_a_call_without_arguments_may_say_nothing():
    async def handler(_arguments, _context):
        return 1

    assert (await outcome_of(handler, "")).status == "succeeded"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (ToolFailed("out_of_stock", "None left."), "out_of_stock"),
        (RuntimeError("secret internals"), "tool_broke"),
        (RecursionError(), "tool_broke"),
        (StoreUnavailable(), "store_unavailable"),
        (TimeoutError(), "tool_timed_out"),
    ],
)
async def test_whatever_a_kind_raises_becomes_a_failure_without_internals(raised, code):
    async def handler(_arguments, _context):
        raise raised

    outcome = await outcome_of(handler)
    assert outcome.error is not None
    assert outcome.error.code == code
    assert "internals" not in outcome.text


async def test_a_kind_that_hangs_is_stopped():
    stopped = asyncio.Event()

    async def handler(_arguments, _context):
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    outcome = await outcome_of(handler, timeout_s=0.05)
    assert outcome.error is not None
    assert outcome.error.code == "tool_timed_out"
    assert stopped.is_set()


async def test_cancelling_reaches_the_kind():
    began, stopped = asyncio.Event(), asyncio.Event()

    async def handler(_arguments, _context):
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    task = asyncio.ensure_future(outcome_of(handler))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": math.nan, "b": -math.inf}, {"a": None, "b": None}),
        (b"\x00\x01", "[binary, 2 bytes]"),
        ("a\ud800b\x00c", "a?b\ufffdc"),
        ({"\ud800": (1, {2})}, {"?": [1, [2]]}),
        (10**30, "1" + "0" * 30),
        pytest.param(2**100_000, "[a number that is too long]", id="long"),
        (object(), "[object]"),
    ],
)
async def test_what_json_cannot_hold_is_replaced(content, expected):
    async def handler(_arguments, _context):
        return content

    outcome = await outcome_of(handler)
    assert outcome.result == expected
    assert outcome.text == (expected if isinstance(expected, str) else dumped(expected))


async def test_a_result_that_holds_itself_comes_to_an_end():
    endless: list = []
    endless.append(endless)

    async def handler(_arguments, _context):
        return endless

    assert "left out" in (await outcome_of(handler)).text


async def test_ten_megabytes_are_cut_with_a_mark():
    async def handler(_arguments, _context):
        return {"text": "é" * 5_000_000}

    outcome = await outcome_of(handler)
    assert outcome.was_cut
    assert len(outcome.text.encode()) <= MAX_RESULT_BYTES
    assert outcome.text.endswith("[cut here: the whole result has 10000011 bytes]")


async def test_a_million_values_are_left_out_before_they_are_written():
    async def handler(_arguments, _context):
        return [[0] * 100] * 100_000

    assert (await outcome_of(handler)).was_cut


async def test_a_secret_that_a_server_sends_back_is_masked_everywhere():
    secret = "s3cr&t value/1"

    async def handler(_arguments, _context):
        content = {"header": f"Bearer {secret}", "url": "/?k=s3cr%26t+value%2F1"}
        return ToolResult(content=content, trace={"sent": [secret]})

    outcome = await outcome_of(handler, secrets={"token": secret})
    assert outcome.result == {"header": "Bearer [secret]", "url": "/?k=[secret]"}
    assert outcome.trace == {"sent": ["[secret]"]}

    async def failing(_arguments, _context):
        raise ToolFailed("bad", f"told {secret}", trace={"sent": secret})

    outcome = await outcome_of(failing, secrets={"token": secret})
    assert outcome.text == "bad: told [secret]"
    assert outcome.trace == {"sent": "[secret]"}


@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("slash", ["/", "\\/"])
async def test_a_secret_within_json_within_a_text_is_masked(is_ascii, slash):
    secret = 'p"w\\d/\u00e9-1'

    async def handler(_arguments, _context):
        return "echo: " + json.dumps({"k": secret}, ensure_ascii=is_ascii).replace("/", slash)

    outcome = await outcome_of(handler, secrets={"token": secret})
    assert outcome.text == 'echo: {"k": "[secret]"}'


async def test_a_tool_shows_no_secret_when_it_is_printed():
    async def handler(_arguments, _context):
        return None

    assert "hidden-value" not in repr(an_active_tool(handler, secrets={"token": "hidden-value"}))


async def test_a_conversation_drives_a_tool_with_effects_only_so_often():
    calls = []

    async def handler(_arguments, context):
        calls.append(context.conversation_id)

    kind = a_kind(handler, risk="write", has_side_effects=lambda _config: True)
    tool = an_active_tool(handler, kind=kind)
    async with open_memory(HandClock()) as shared:
        runner = a_runner(SimpleNamespace(limiter=shared.limiter))
        for conversation in ("one", "two"):
            occasion = an_occasion(conversation_id=conversation)
            outcomes = [await runner.call(tool, "{}", occasion) for _ in range(25)]
            failures = [outcome.error.code for outcome in outcomes if outcome.error]
            assert failures == ["too_many_calls"] * 5
    assert [calls.count(conversation) for conversation in ("one", "two")] == [20, 20]
