"""What is particular to each vendor: in what it is sent, and in what it sends."""

import json

import pytest
from pydantic import SecretStr

from app.adapters.llm import PROVIDERS
from app.core.settings import Settings, SettingsInvalid
from app.ports.llm import (
    Conduct,
    ContextTooLong,
    Finished,
    Message,
    ProviderDeclined,
    ProviderMalformed,
    ProviderOutOfCredit,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefusedKey,
    ToolCall,
    ToolSpec,
    Usage,
)
from tests.support.completions_server import completions_server, finish
from tests.support.upstream import REQUEST, UPSTREAMS, asked, refusing, sending, text_of

pytestmark = pytest.mark.anyio
USER = Message("user", "Oi")


async def sent_to(name, request):
    """The body and the headers of the request that this provider sends."""
    upstream = UPSTREAMS[name]
    async with upstream.over(sending(*upstream.whole("Oi"))) as (server, provider):
        assert text_of([event async for event in provider.stream(request)]) == "Oi"
    lines = server.headers[0].lower().splitlines()[1:]
    return server.requests[0], dict(line.split(": ", 1) for line in lines if line)


async def failure_of(name, status, body):
    with pytest.raises(Exception) as failure:  # noqa: PT011
        await UPSTREAMS[name].events(refusing(status, json.dumps(body).encode()))
    return failure.value


def chunk(**fields):
    return f"data: {json.dumps(fields)}\n\n".encode()


@pytest.mark.parametrize(
    ("model", "limit", "has_temperature"),
    [
        ("gpt-4o-mini", "max_tokens", True),
        ("o3", "max_completion_tokens", False),
        ("gpt-5-mini", "max_completion_tokens", False),
        ("gpt-oss-120b", "max_tokens", True),
    ],
)
async def test_openai_reasoning_models_are_sent_what_they_take(model, limit, has_temperature):
    body, _ = await sent_to("openai", asked(USER, model=model, temperature=0.5))
    assert body[limit] == REQUEST.max_tokens
    assert ("temperature" in body) is has_temperature


@pytest.mark.parametrize(
    ("model", "effort"), [("gpt-5.4", None), ("gpt-5.6-luna", "none"), ("gpt-6-luna", "none")]
)
async def test_openai_models_that_cannot_think_and_call_are_told_not_to_think(model, effort):
    tools = (ToolSpec("stock", "Estoque.", {"type": "object", "properties": {}}),)
    body, _ = await sent_to("openai", asked(USER, model=model, tools=tools))
    assert body.get("reasoning_effort") == effort
    body, _ = await sent_to("openai", asked(USER, model=model, tools=()))
    assert "reasoning_effort" not in body


async def test_openai_is_sent_ids_that_are_short_enough():
    ids = ["c" * 40, f"chatcmpl-tool-{'0' * 32}", f"chatcmpl-tool-{'1' * 32}"]
    calls = tuple(ToolCall(call_id, "stock", "{}") for call_id in ids)
    results = (Message("tool", "1", (), call_id) for call_id in ids)
    body, _ = await sent_to("openai", asked(USER, Message("assistant", "", calls), *results))
    sent = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert sent == [message["tool_call_id"] for message in body["messages"][2:]]
    assert sent[0] == ids[0]
    assert len(set(sent)) == 3
    assert max(map(len, sent)) <= 40


async def test_anthropic_is_sent_turns_as_it_wants_them():
    turns = (
        Message("system", "A."),
        Message("assistant", "Olá, sou a Lia."),
        Message("user", "Tem x?"),
        Message("user", "E y?"),
        Message(
            "assistant",
            " ",
            tool_calls=(ToolCall("id:1", "stock", '{"i":"x"}'), ToolCall("b", "stock", "{x")),
        ),
        Message("tool", "12", tool_call_id="id:1"),
        Message("tool", "0", tool_call_id="b"),
        Message("system", "B."),
        Message("user", "E então?"),
    )
    body, headers = await sent_to("anthropic", asked(*turns, max_tokens=None))
    assert (body["system"], body["max_tokens"]) == ("A.\n\nB.", 4096)
    assert [turn["role"] for turn in body["messages"]] == [
        *("user", "assistant", "user", "assistant", "user"),
    ]
    asking, calling, results = body["messages"][2:]
    assert [block["text"] for block in asking["content"]] == ["Tem x?", "E y?"]
    assert calling["content"] == [
        {"type": "tool_use", "id": "id_1", "name": "stock", "input": {"i": "x"}},
        {"type": "tool_use", "id": "b", "name": "stock", "input": {}},
    ]
    assert [block.get("tool_use_id") for block in results["content"]] == ["id_1", "b", None]
    assert body["tools"][0].keys() == {"name", "description", "input_schema"}
    assert headers["authorization"].startswith("bearer ")


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("claude-sonnet-4-6", {"temperature": 1.5, "top_p": 0.9}, {"temperature": 1.0}),
        ("claude-haiku-4-5-20251001", {"top_p": 0.9}, {"top_p": 0.9}),
        ("claude-3-9-haiku", {"temperature": 0}, {"temperature": 0}),
        ("claude-opus-4-7", {"temperature": 0.5}, {}),
        ("claude-sonnet-5", {"temperature": 0.5}, {}),
    ],
)
async def test_anthropic_models_are_sent_the_sampling_that_they_take(model, given, expected):
    body, headers = await sent_to("anthropic", asked(USER, model=model, **given))
    assert {name: body[name] for name in ("temperature", "top_p") if name in body} == expected
    assert (headers["anthropic-version"] == "2023-06-01") is bool(expected)


async def test_anthropic_gets_the_thoughts_back_with_the_call():
    block = {"type": "thinking", "thinking": "", "signature": ""}
    wire = UPSTREAMS["anthropic"].wire
    parts = [
        wire.start,
        chunk(type="content_block_start", index=0, content_block=block),
        *(
            chunk(
                type="content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": t}
            )
            for t in ("Hm", "m.")
        ),
        chunk(
            type="content_block_delta",
            index=0,
            delta={"type": "signature_delta", "signature": "S1"},
        ),
        wire.call(0, "a", "stock"),
        wire.call(1, "b", "stock"),
        wire.finish("tool_calls"),
    ]
    events = await UPSTREAMS["anthropic"].events(sending(*parts))
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    assert calls[1].signature is None
    turns = (USER, Message("assistant", "", tool_calls=calls), Message("tool", "1", (), "a"))
    body, _ = await sent_to("anthropic", asked(*turns))
    thought = {"type": "thinking", "thinking": "Hmm.", "signature": "S1"}
    assert [b["type"] for b in body["messages"][1]["content"]] == [
        *("thinking", "tool_use", "tool_use"),
    ]
    assert body["messages"][1]["content"][0] == thought


def block_of(index, begun, *deltas):
    yield chunk(type="content_block_start", index=index, content_block=begun)
    for delta in deltas:
        yield chunk(type="content_block_delta", index=index, delta=delta)
    yield chunk(type="content_block_stop", index=index)


def thought_of(index, thinking, signature):
    return block_of(
        index,
        {"type": "thinking", "thinking": "", "signature": ""},
        *({"type": "thinking_delta", "thinking": letter} for letter in thinking),
        {"type": "signature_delta", "signature": signature},
    )


def said_of(index, text):
    return block_of(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def use_of(index, call_id):
    return block_of(index, {"type": "tool_use", "id": call_id, "name": "stock", "input": {}})


REDACTED = {"type": "redacted_thinking", "data": "RED"}


@pytest.mark.parametrize(
    "came",
    [
        [
            {"type": "thinking", "thinking": "Hm.", "signature": "S1"},
            REDACTED,
            {"type": "text", "text": "Vou ver. "},
            {"type": "thinking", "thinking": "Ah.", "signature": "S2"},
            {"type": "tool_use", "id": "a", "name": "stock", "input": {}},
        ],
        [
            {"type": "thinking", "thinking": "Hm.", "signature": "S1"},
            {"type": "tool_use", "id": "a", "name": "stock", "input": {}},
            {"type": "thinking", "thinking": "Ah 😀", "signature": "S2"},
            {"type": "text", "text": "E mais um."},
            {"type": "tool_use", "id": "b", "name": "stock", "input": {}},
        ],
    ],
    ids=["text between thoughts", "thoughts between calls"],
)
async def test_anthropic_gets_its_content_back_as_it_came(came):
    wire = UPSTREAMS["anthropic"].wire
    parts = [wire.start]
    for index, block in enumerate(came):
        match block:
            case {"type": "thinking"}:
                parts += thought_of(index, block["thinking"], block["signature"])
            case {"type": "text"}:
                parts += said_of(index, block["text"])
            case {"type": "tool_use"}:
                parts += use_of(index, block["id"])
            case _:
                parts += block_of(index, block)
    parts += [wire.finish("tool_calls"), wire.end]
    events = await UPSTREAMS["anthropic"].events(sending(*parts))
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    results = (Message("tool", "1", (), call.id) for call in calls)
    turns = (USER, Message("assistant", text_of(events), calls), *results)
    body, _ = await sent_to("anthropic", asked(*turns))
    assert body["messages"][1]["content"] == came


async def test_anthropic_thoughts_of_a_turn_that_was_put_down_before_are_taken_up():
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "S1"}
    call = ToolCall("a", "stock", "{}", json.dumps([thought]))
    turns = (USER, Message("assistant", "Vejo.", (call,)), Message("tool", "1", (), "a"))
    body, _ = await sent_to("anthropic", asked(*turns))
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["thinking", "text", "tool_use"]


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        ("400 Bad", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        ("400 Bad", "Your credit balance is too low to access the API", ProviderOutOfCredit),
    ],
)
async def test_anthropic_says_some_things_in_words_only(status, message, kind):
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    assert type(await failure_of("anthropic", status, body)) is kind


async def test_anthropic_counts_the_cache_apart_and_we_do_not():
    wire = UPSTREAMS["anthropic"].wire
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 1,
    }
    start = chunk(type="message_start", message={"usage": usage})
    end = chunk(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
    events = await UPSTREAMS["anthropic"].events(sending(start, wire.text("Oi"), end, wire.end))
    assert events[-2:] == [Usage(125, 9, 100), Finished("stop")]


async def test_google_gets_its_signatures_back():
    extra = {"google": {"thought_signature": "S1"}}
    function = {"name": "stock", "arguments": "{}"}
    call = {"id": "", "type": "function", "function": function, "extra_content": extra}
    part = chunk(choices=[{"delta": {"role": "assistant", "tool_calls": [call]}}])
    events = await UPSTREAMS["google"].events(sending(part, finish("stop")))
    made = events[0]
    assert (made.name, made.signature, events[-1]) == ("stock", "S1", Finished("tool_calls"))
    turns = (USER, Message("assistant", "", (made,)), Message("tool", "1", (), made.id))
    body, _ = await sent_to("google", asked(*turns))
    assert body["messages"][1]["tool_calls"][0]["extra_content"] == extra
    other, _ = await sent_to("openai", asked(*turns))
    assert "S1" not in json.dumps(other)


@pytest.mark.parametrize(
    ("model", "signed"),
    [("gemini-3-flash", True), ("gemini-flash-latest", True), ("gemini-2.5-flash", False)],
)
async def test_google_is_told_which_calls_another_model_has_made(model, signed):
    others = ToolCall("a", "stock", "{}"), ToolCall("b", "stock", "{}")
    own = ToolCall("c", "stock", "{}", "S1"), ToolCall("d", "stock", "{}")
    turns = [USER]
    for calls in (others, own):
        results = (Message("tool", "1", (), call.id) for call in calls)
        turns += [Message("assistant", "", calls), *results]
    body, _ = await sent_to("google", asked(*turns, model=model))
    sent = [call for turn in body["messages"] for call in turn.get("tool_calls", ())]
    signatures = [
        call.get("extra_content", {}).get("google", {}).get("thought_signature") for call in sent
    ]
    given = "skip_thought_signature_validator" if signed else None
    assert signatures == [given, None, "S1", None]


async def test_openrouter_gets_the_thoughts_back_with_the_calls():
    wire = UPSTREAMS["openrouter"].wire
    pieces = [
        {"type": "reasoning.text", "text": "Hm", "format": "f", "index": 0, "signature": None},
        {"type": "reasoning.text", "text": "m.", "format": "f", "index": 0},
        {"type": "reasoning.text", "signature": "S1", "format": "f", "index": 0},
        {"type": "reasoning.encrypted", "data": "D1", "id": "call_a", "index": 0},
        {"type": "reasoning.encrypted", "data": "D2", "id": "call_b", "index": 0},
    ]
    parts = [
        *(chunk(choices=[{"delta": {"content": "", "reasoning_details": [p]}}]) for p in pieces),
        wire.call(0, "call_a", "stock"),
        wire.call(1, "call_b", "stock"),
        wire.finish("tool_calls"),
        wire.end,
    ]
    events = await UPSTREAMS["openrouter"].events(sending(*parts))
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    results = (Message("tool", "1", (), call.id) for call in calls)
    turns = (USER, Message("assistant", "", calls), *results)
    body, _ = await sent_to("openrouter", asked(*turns))
    text = {"type": "reasoning.text", "text": "Hmm.", "format": "f", "index": 0, "signature": "S1"}
    assert body["messages"][1]["reasoning_details"] == [text, *pieces[3:]]
    assert "reasoning_details" not in body["messages"][0]


async def test_google_thoughts_count_as_written():
    usage = chunk(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115})
    wire = UPSTREAMS["google"].wire
    events = await UPSTREAMS["google"].events(sending(wire.text("Oi"), usage, finish()))
    assert Usage(10, 105) in events


async def test_google_sends_its_errors_in_lists():
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "34.2s"}]}
    failure = await failure_of("google", "429 Slow", [{"error": error}])
    assert (type(failure), failure.headers) == (ProviderRateLimited, {"Retry-After": "35"})
    error = {"code": 400, "message": "API key not valid. Please pass a valid API key."}
    assert type(await failure_of("google", "400 Bad", [{"error": error}])) is ProviderRefusedKey
    wire = UPSTREAMS["google"].wire
    in_stream = b'data: [{"error": {"code": 503, "status": "UNAVAILABLE"}}]\n\n'
    with pytest.raises(ProviderOverloaded):
        await UPSTREAMS["google"].events(sending(wire.text("Oi"), in_stream))


async def test_mistral_is_sent_nothing_that_its_schema_does_not_name():
    call = ToolCall("call_0fypS1hVX", "stock", "{}")
    turns = (USER, Message("assistant", "", (call,)), Message("tool", "1", (), call.id))
    body, _ = await sent_to("mistral", asked(*turns, temperature=0, top_p=0.5))
    assert body.keys() == {"model", "messages", "stream", "max_tokens", "temperature", "tools"}
    call_id = body["messages"][1]["tool_calls"][0]["id"]
    assert len(call_id) == 9
    assert call_id.isalnum()
    assert body["messages"][2]["tool_call_id"] == call_id
    own, _ = await sent_to("mistral", asked(Message("tool", "1", (), "D681PevKs"), temperature=2))
    assert (own["messages"][0]["tool_call_id"], own["temperature"]) == ("D681PevKs", 1.5)


async def test_mistral_thoughts_are_not_text():
    content = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Oi"}]
    part = chunk(choices=[{"index": 0, "delta": {"content": content}}])
    events = await UPSTREAMS["mistral"].events(sending(part, finish("model_length")))
    assert (text_of(events), events[-1]) == ("Oi", Finished("length"))


async def test_a_reason_that_is_an_error_is_no_end():
    wire = UPSTREAMS["openrouter"].wire
    with pytest.raises(ProviderOverloaded):
        await UPSTREAMS["openrouter"].events(sending(wire.text("Oi"), finish("error")))


async def test_vllm_ends_an_answer_that_it_has_given_up_with_abort():
    wire = UPSTREAMS["vllm"].wire
    with pytest.raises(ProviderOverloaded):
        await UPSTREAMS["vllm"].events(sending(wire.text("Oi"), finish("abort"), wire.end))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("MAX_TOKENS", "length"),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("refusal", "content_filter"),
        ("eos", "stop"),
    ],
)
async def test_reasons_that_a_gateway_passes_on_are_known(said, reason):
    wire = UPSTREAMS["openai"].wire
    events = await UPSTREAMS["openai"].events(sending(wire.text("Oi"), finish(said), wire.end))
    assert events[-1] == Finished(reason)


@pytest.mark.parametrize(
    "said",
    [
        "content_filter: PROHIBITED_CONTENT",
        "content_filter: OTHER",
        "SAFETY",
        "RECITATION",
        "other: SPII",
    ],
)
async def test_google_says_in_two_words_what_it_has_filtered(said):
    wire = UPSTREAMS["google"].wire
    events = await UPSTREAMS["google"].events(sending(wire.text("Oi"), finish(said), wire.end))
    assert events[-1] == Finished("content_filter")
    with pytest.raises(ProviderDeclined):
        await UPSTREAMS["google"].events(sending(finish(said), wire.end))


@pytest.mark.parametrize(
    "said", ["function_call_filter: MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"]
)
async def test_google_calls_that_it_could_not_read_are_no_answer(said):
    wire = UPSTREAMS["google"].wire
    with pytest.raises(ProviderMalformed):
        await UPSTREAMS["google"].events(sending(wire.text("Oi"), finish(said), wire.end))


@pytest.mark.parametrize("name", ["ollama", "vllm"])
async def test_a_server_of_ones_own_needs_its_address_and_no_key(name):
    upstream = UPSTREAMS[name]
    async with completions_server(sending(*upstream.whole("Oi"))) as server:
        for address in (server.root, f"{server.root}/", f"{server.root}/v1"):
            variables = {f"{name.upper()}_BASE_URL": SecretStr(address)}
            settings = Settings(provider_variables=variables)
            async with upstream.adapter.open(settings, Conduct()) as provider:
                assert provider.is_configured
                events = [event async for event in provider.stream(REQUEST)]
                assert text_of(events) == "Oi"
    assert {head.split()[1] for head in server.headers} == {"/v1/chat/completions"}


@pytest.mark.parametrize("name", UPSTREAMS)
async def test_an_address_that_is_none_is_told_at_the_start(name):
    reached = UPSTREAMS[name].reached
    variables = {
        reached.base_url_variable: SecretStr("api.example.com"),
        reached.key_variable: SecretStr("k"),
    }
    with pytest.raises(SettingsInvalid, match=reached.base_url_variable):
        async with PROVIDERS[name].open(Settings(provider_variables=variables), Conduct()):
            pass
