"""Secrets that a server sends back in another form: masked wherever a call leaves something."""

import base64
import html
import json
import re
from ipaddress import ip_network
from urllib.parse import quote, quote_plus, unquote

import pytest

from app.core.redaction import redacted, redacted_start
from app.features.tools.kinds.kind import ToolResult, WebPage
from tests.support.run_streams import over
from tests.support.scripted_server import scripted_server
from tests.support.stories import asking, stream
from tests.support.tools import a_runner, a_tool, an_active_tool, an_occasion, try_tool
from tests.support.upstream import UPSTREAMS, sending

WIRE = UPSTREAMS["openai"].wire
SECRET = "k7Qm\"a<b>c'&/+=%w\\o-2xZ#1"


def as_json(text: str, times: int = 1) -> str:
    for _ in range(times):
        text = json.dumps(text)[1:-1]
    return text


def as_go_writes_it(text: str) -> str:
    text = as_json(text)
    for sign in "&<>'=":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def numbered(text: str, form: str) -> str:
    return "".join(char if char.isalnum() else form.format(ord(char)) for char in text)


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def packed_for_urls(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FORMS = {
    "in clear": str,
    "HTML": html.escape,
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML numbers": lambda text: numbered(text, "&#{};"),
    "HTML hexadecimal": lambda text: numbered(text, "&#x{:X};"),
    "JSON": as_json,
    "JSON with escaped slashes": lambda text: as_json(text).replace("/", "\\/"),
    "JSON in JSON": lambda text: as_json(text, 2),
    "JSON in JSON in JSON": lambda text: as_json(text, 3),
    "JSON of Go": as_go_writes_it,
    "JSON in HTML": lambda text: html.escape(as_json(text)),
    "HTML in JSON": lambda text: as_json(html.escape(text)),
    "URL": lambda text: quote(text, safe=""),
    "URL in part": quote,
    "form": quote_plus,
    "URL in small letters": lambda text: quote(text, safe="").replace("%2B", "%2b"),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON in a URL": lambda text: quote(as_json(text), safe=""),
    "base64": packed,
    "base64 for URLs": packed_for_urls,
    "base64 in a URL": lambda text: quote(packed(text), safe=""),
    "base64 in JSON": lambda text: packed(text).replace("/", "\\/"),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", [SECRET, "sk-canary-0123456789", "senha é ção\n\\\\!"])
def test_each_form_is_masked_whole_and_nothing_around_it(form, secret):
    text = f"antes [{form(secret)}] depois"
    assert redacted(text, {"token": secret}) == "antes [[secret]] depois"


def every_reading(part: str) -> bytes:
    """A part of base64, read from wherever in a group of four it may begin."""
    return b" ".join(
        base64.b64decode(f"{'A' * n}{part}AAAA"[: (n + len(part)) // 4 * 4 + 4]) for n in range(4)
    )


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("pack", [packed, packed_for_urls])
def test_in_the_base64_of_a_longer_text_nothing_of_it_can_be_read(pack, before):
    text = redacted(pack(f"{before}{SECRET} and more"), {"token": SECRET})
    shown, _, rest = text.partition("[secret]")
    parts = [part.rstrip("=").translate(str.maketrans("-_", "+/")) for part in (shown, rest)]
    readable = b" ".join(every_reading(part) for part in parts)
    assert SECRET[:3].encode() not in readable
    assert SECRET[-3:].encode() not in readable
    assert b"more" in readable


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_that_is_broken_off_shows_no_more_than_three_characters(form):
    written = form(SECRET)
    for size in range(1, len(written)):
        shown = redacted_start(written[:size].encode(), {"token": SECRET}, size=4096)
        left = html.unescape(unquote(shown.replace("[secret]", "")))
        assert len(re.sub(r"[^0-9A-Za-z]", "", left)) <= 6, written[:size]


@pytest.mark.parametrize("text", ["\\" * 200_000, "%25" * 70_000, "&amp;" * 40_000, "a" * 200_000])
def test_hostile_texts_and_secrets_are_masked_in_little_time(text):
    secrets = {"a": SECRET, "b": '"""""""', "c": '\\"\\"\\"', "d": "&&&&&x", "e": "'\"&<%é" * 600}
    assert redacted(text, secrets) == text


def test_what_only_looks_like_a_secret_stays():
    secrets = {"token": "sk-canary-0123456789"}
    text = "sk-canary-012345678, c2stY2FuYXJ5, sk%2Dcanary and &#115;k"
    assert redacted(text, secrets) == text


@pytest.mark.anyio
async def test_pages_that_a_search_brings_are_masked_too():
    async def handler(_arguments, _context):
        page = WebPage(title=f"a {SECRET}", url=f"https://x.example/?k={quote(SECRET)}", snippet="")
        return ToolResult(content={}, pages=(page,))

    tool = an_active_tool(handler, secrets={"token": SECRET})
    outcome = await a_runner().call(tool, {}, an_occasion())
    assert (outcome.pages[0].title, outcome.pages[0].url) == (
        "a [secret]",
        "https://x.example/?k=[secret]",
    )


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 422])
async def test_no_form_of_a_secret_is_left_behind_by_a_run(settings, connection, capfd, status):
    written = {name: form(SECRET) for name, form in FORMS.items()}

    async def script(heard):
        assert SECRET in heard.headers["x-key"]
        body = json.dumps(written).encode()
        await heard.answer(body, status=status, content_type="application/json")

    call = (WIRE.call(0, "call_0", "estoque"), WIRE.arguments(0, "{}"))
    calling = sending(WIRE.start, *call, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)
    saying = sending(*UPSTREAMS["openai"].whole("Pronto."))
    private = {"outbound_allow_private_cidrs": (ip_network("127.0.0.0/8"),)}
    async with (
        scripted_server(script) as shop,
        over(settings.model_copy(update=private), calling, saying) as stage,
    ):
        config = {
            "url": f"http://127.0.0.1:{shop.port}/x",
            "auth": {"type": "api_key", "name": "X-Key", "secret": "token"},
            "secrets": {"token": SECRET},
        }
        tool = await a_tool(stage.client, stage.agent, type="http", name="estoque", config=config)
        tested = await try_tool(stage.client, tool)
        events = await stream(stage.client, stage.agent, asking("Tem?"))
        conversation = events[0]["conversation_id"]
        messages = await stage.client.get(f"/api/v2/conversations/{conversation}/messages")
        await connection.fetchval("select events_number_v1()")
        rows = [row["data"] for row in await connection.fetch("select data from agentes.events")]
    left = {
        "the test call": json.dumps(tested),
        "the stream": json.dumps(events),
        "the model": json.dumps(stage.server.requests),
        "the message": messages.text,
        "events": "\n".join(rows),
        "the log": str(capfd.readouterr()),
    }
    assert "[secret]" in left["the test call"]
    tails = {"k7Qm", "2xZ", packed(SECRET)[:8], SECRET.encode().hex()[:8]}
    for place, text in left.items():
        assert not [tail for tail in tails if tail in text], place
