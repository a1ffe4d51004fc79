"""LP-1 to LP-13: what a client is told, and what is kept, when the model's provider fails.

All chats begin together, as most of them wait; each test looks at one of them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.ids import new_id
from app.core.settings import Settings
from app.web.streaming import KEEP_ALIVE_S
from tests.conftest import TEMPLATE, connect
from tests.support.completions_server import DONE, USAGE, delta, finish
from tests.support.model_bench import KEY, Bench, Told, as_few_tasks_as, model_bench
from tests.support.provider_faults import (
    HTML,
    OVERLOADED,
    TEXT,
    TOO_LONG,
    WHOLE,
    answering_with_a_page,
    dripping,
    falling_silent_after,
    half_a_tool_call,
    hanging_up,
    refusing,
    resetting_after,
    sending,
    without_tls,
)
from tests.support.service import free_port

pytestmark = pytest.mark.anyio
Chats = Mapping[str, "asyncio.Future[Told]"]
OLA = delta("Olá")
SHOWN_KEY = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
LIMIT_S = 5
SAID = [{"role": role, "content": "a " * 3000} for role in ("user", "assistant") * 4]
GARBAGE = {
    "no JSON": b"data: {not json}\n\n",
    "no object": b"data: [1, 2]\n\n",
    "no choices": b'data: {"choices": 7}\n\n',
    "half a character": b'data: {"choices":[{"delta":{"content":"\xc3\n\n',
    "10 MB line": b"data: " + b"x" * 10_000_000,
    "HTML": HTML,
}
SCRIPTS = {
    "429, then whole": (refusing(429, b"{}", "retry-after: 2"), sending(*WHOLE)),
    "429": (refusing(429, b"{}", "retry-after: 1"),),
    **{f"{n}, then whole": (refusing(n), refusing(n), sending(*WHOLE)) for n in (500, 502, 503)},
    "529, then whole": (refusing(529), refusing(529), sending(*WHOLE)),
    "529": (refusing(529),),
    "401": (refusing(401, SHOWN_KEY),),
    "403": (refusing(403, SHOWN_KEY),),
    "too long": (refusing(400, TOO_LONG),),
    "silent": (falling_silent_after(),),
    "stalled": (falling_silent_after(OLA),),
    "reset": (resetting_after(OLA),),
    "end of file": (sending(OLA),),
    **{name: (sending(OLA, garbage),) for name, garbage in GARBAGE.items()},
    "page": (answering_with_a_page,),
    "without end mark": (sending(*WHOLE[:-1]),),
    "overloaded": (sending(OLA, OVERLOADED),),
    **{
        reason: (sending(OLA, finish(reason), USAGE, DONE),)
        for reason in ("stop", "length", "content_filter", "moonlight")
    },
    "empty": (sending(finish(), USAGE, DONE),),
    "half a tool call": (sending(half_a_tool_call(), finish("tool_calls"), USAGE, DONE),),
}


@pytest.fixture(scope="module")
def silence_s(is_long: bool) -> float:
    return 30.0 if is_long else 2.0


@pytest.fixture(scope="module")
async def bench(cluster, folder: Path, silence_s: float) -> AsyncIterator[Bench]:
    name = f"t_{new_id().replace('-', '')}"
    server = await connect(cluster)
    await server.execute(f"create database {name} template {TEMPLATE}")
    url = f"postgresql://postgres@/{name}?host={cluster.socket_dir}&port={cluster.port}"
    settings = Settings(database_url=SecretStr(url), data_dir=folder / name, log_level="error")
    async with model_bench(settings, silence_s=silence_s) as opened:
        await opened.ask(sending(*WHOLE))  # whatever is made at the first use is there
        yield opened
    await server.execute(f"drop database {name} with (force)")
    await server.close()


@pytest.fixture(scope="module")
async def chats(bench: Bench) -> AsyncIterator[Chats]:
    before = len(asyncio.all_tasks())
    async with without_tls() as not_tls:
        waiting = {
            name: asyncio.ensure_future(bench.ask(*scripts)) for name, scripts in SCRIPTS.items()
        }
        long = {"messages": [*SAID, {"role": "user", "content": "E então?"}]}
        limited = {"guardrails": {"max_run_seconds": LIMIT_S}}
        others = {
            "refused": bench.ask(url=f"http://127.0.0.1:{free_port()}/v1"),
            "no such host": bench.ask(url="http://nowhere.invalid/v1"),
            "no TLS": bench.ask(url=not_tls),
            "hanging up": bench.ask(hanging_up),
            "too long, then whole": bench.ask(refusing(400, TOO_LONG), sending(*WHOLE), **long),
            "dripping": bench.ask(dripping, agent=limited),
        }
        waiting |= {name: asyncio.ensure_future(chat) for name, chat in others.items()}
        yield waiting
        await asyncio.gather(*waiting.values())
    await as_few_tasks_as(before)


def check_partial(told: Told, text: str, code: str) -> None:
    """What was shown is kept, marked as incomplete, and was never begun again."""
    assert told.code == code
    assert told.text == text
    assert (told.kept["content"], told.kept["status"]) == (text, "incomplete")
    assert len(told.requests) == 1


async def test_lp1_a_rate_limit_is_waited_for_as_long_as_the_provider_says(chats):
    told = await chats["429, then whole"]
    assert (told.code, told.text) == (None, TEXT)
    assert len(told.requests) == 2
    assert told.took_s >= 2


async def test_lp1_after_two_retries_a_rate_limit_is_told_as_one(chats):
    told = await chats["429"]
    assert told.code == "provider_rate_limited"
    assert told.end["data"]["retryable"] is True
    assert len(told.requests) == 3
    assert (told.kept["content"], told.kept["status"]) == ("", "incomplete")


@pytest.mark.parametrize("status", [500, 502, 503, 529])
async def test_lp2_an_overloaded_provider_is_asked_again_and_answers_once(chats, status):
    told = await chats[f"{status}, then whole"]
    assert (told.code, told.text) == (None, TEXT)
    assert len(told.requests) == 3


async def test_lp2_a_provider_that_stays_overloaded_is_asked_three_times(chats):
    told = await chats["529"]
    assert told.code == "provider_overloaded"
    assert told.end["data"]["retryable"] is True
    assert len(told.requests) == 3


@pytest.mark.parametrize("status", ["401", "403"])
async def test_lp3_a_refused_key_is_tried_once_and_never_shown(chats, status):
    told = await chats[status]
    assert told.code == "provider_refused_key"
    assert told.end["data"]["retryable"] is False
    assert len(told.requests) == 1
    assert KEY not in json.dumps(told.events)


async def test_lp4_a_conversation_that_is_too_long_for_the_model_is_told_as_that(chats):
    told = await chats["too long"]
    assert told.code == "context_too_long"
    assert told.end["data"]["retryable"] is False
    assert len(told.requests) <= 2


async def test_lp4_a_conversation_that_is_too_long_is_shortened_once(chats):
    told = await chats["too long, then whole"]
    assert (told.code, told.text) == (None, TEXT)
    first, second = (len(json.dumps(request["messages"])) for request in told.requests)
    assert second < first


@pytest.mark.parametrize("how", ["refused", "no such host", "no TLS", "hanging up"])
async def test_lp5_a_provider_that_cannot_be_reached_is_told_in_time(chats, how):
    told = await chats[how]
    assert told.code == "provider_disconnected"
    assert told.end["data"]["retryable"] is True
    assert told.text == ""
    assert told.took_s < 10


async def test_lp6_a_model_that_never_begins_is_given_up_while_keep_alives_flow(chats, silence_s):
    told = await chats["silent"]
    assert told.code == "provider_stalled"
    assert told.end["data"]["retryable"] is True
    assert told.took_s >= silence_s * 0.9
    assert told.keep_alives >= silence_s // KEEP_ALIVE_S - 1
    assert len(told.requests) <= 3


async def test_lp7_a_stall_in_the_middle_keeps_what_came_and_begins_nothing_again(chats, silence_s):
    told = await chats["stalled"]
    check_partial(told, "Olá", "provider_stalled")
    assert told.took_s >= silence_s * 0.9


@pytest.mark.parametrize("how", ["reset", "end of file"])
async def test_lp8_a_stream_that_breaks_off_is_never_done(chats, how):
    check_partial(await chats[how], "Olá", "provider_disconnected")


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_lp9_garbage_after_text_is_a_typed_error_and_the_text_is_kept(chats, garbage):
    told = await chats[garbage]
    assert told.code in ("provider_malformed", "provider_disconnected")
    check_partial(told, "Olá", told.code)


async def test_lp9_an_html_page_with_status_200_is_no_answer(chats):
    told = await chats["page"]
    assert (told.code, told.text) == ("provider_malformed", "")


async def test_lp9_an_answer_without_its_end_mark_is_whole_once_it_has_finished(chats):
    told = await chats["without end mark"]
    assert (told.code, told.text) == (None, TEXT)


async def test_lp10_an_error_within_the_stream_keeps_what_came_before_it(chats):
    check_partial(await chats["overloaded"], "Olá", "provider_overloaded")


async def test_lp11_an_answer_that_drips_for_ever_is_ended_by_the_agents_limit(chats):
    told = await chats["dripping"]
    check_partial(told, told.text, "run_too_long")
    assert len(told.text) >= 10
    assert told.took_s >= LIMIT_S - 0.5


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "moonlight"])
async def test_lp12_every_way_of_finishing_has_its_name_and_an_unknown_one_is_no_failure(
    chats, reason
):
    told = await chats[reason]
    assert (told.code, told.text) == (None, "Olá")
    assert told.end["data"]["finish_reason"] == ("unknown" if reason == "moonlight" else reason)
    assert told.kept["status"] == "complete"


async def test_lp12_an_answer_without_text_does_not_leave_the_user_without_a_word(chats):
    told = await chats["empty"]
    assert told.text or told.code, "done, and nothing was said"


async def test_lp13_half_a_call_of_a_tool_that_nobody_offered_ends_the_stream_in_order(chats):
    told = await chats["half a tool call"]
    assert told.code != "problem"
