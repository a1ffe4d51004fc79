"""The kind http: what is sent, whatever the arguments, and what an answer says."""

import base64
import json
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from app.features.tools.kinds.http_calls.config import HttpConfig
from app.ports.fetch import FetchTimedOut, ResponseTooLarge
from tests.support.tools import FetchDouble, a_runner, a_tool_of, an_occasion, answered

pytestmark = [pytest.mark.anyio, pytest.mark.once]
URL = "https://api.example.com/v1"
ANY = {"type": ["string", "number", "boolean", "array", "object", "null"]}


async def called(config, arguments=None, *, answer=None, names=(), key="key-1"):
    """What was sent (None if nothing was) and what became of the call."""
    fetch = FetchDouble(answer or answered(b'{"ok": true}'))
    parameters = {"type": "object", "properties": dict.fromkeys(names, ANY)} if names else None
    tool = a_tool_of("http", config, parameters=parameters)
    runner = a_runner(SimpleNamespace(fetch=fetch))
    outcome = await runner.call(tool, json.dumps(arguments or {}), an_occasion(key=key))
    return (fetch.sent[0] if fetch.sent else None), outcome


HOSTILE = [
    "@evil.example", "x@evil.example:80/", "//evil.example/", "\\\\evil.example", "?a=b&c=d",
    "#frag", "a/b/c", "%2e%2e%2f", "%252e%252e", "a%00b", "；", "ｅｖｉｌ", "a b+c", "é€😀",
    "'\"<>`", "{sku}", "{secrets.token}", "::1", "[::1]", ";admin=1", "a" * 3000, "http://evil.example",
    "%0d%0aX: y",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
async def test_a_value_never_leaves_its_place_in_the_address(value):
    config = {"url": f"{URL}/p/{{sku}}/end?fixed=1&q={{q}}", "query": {"w": "{sku}"}}
    sent, outcome = await called(config, {"sku": value, "q": value})
    if sent is None:
        assert outcome.error.code == "invalid_arguments"
        return
    address = urlsplit(sent.url)
    assert (address.scheme, address.netloc, address.fragment) == ("https", "api.example.com", "")
    assert address.path.startswith("/v1/p/")
    assert address.path.endswith("/end")
    assert len(address.path.split("/")) == 5
    assert [part.partition("=")[0] for part in address.query.split("&")] == ["fixed", "q", "w"]
    assert sent.url.isascii()


@pytest.mark.parametrize(
    "value",
    [
        "", ".", "..", "../admin", "a/../b", "..\\x", "%2e%2e", "%252e%252e%252fadmin", "a\r\nb",
        "a\tb", "\x7f", "..;/admin", "./",
    ],
    ids=ascii,
)  # fmt: skip
async def test_a_value_that_climbs_or_vanishes_is_refused_before_anything_is_sent(value):
    sent, outcome = await called({"url": f"{URL}/users/{{id}}", "method": "DELETE"}, {"id": value})
    assert sent is None
    assert (outcome.error.code, outcome.is_mendable) == ("invalid_arguments", True)


async def test_two_values_cannot_make_a_climb_together():
    sent, _ = await called({"url": f"{URL}/.{{a}}/x"}, {"a": "b"})
    assert sent.url == f"{URL}/.b/x"
    sent, _ = await called({"url": f"{URL}/{{a}}{{b}}/x"}, {"a": ".", "b": "."})
    assert sent is None


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "é", "\u2028"], ids=ascii)
async def test_a_value_in_a_header_cannot_begin_another(value):
    sent, outcome = await called({"url": URL, "headers": {"X-Ref": "n-{ref}"}}, {"ref": value})
    assert sent is None
    assert outcome.error.code == "invalid_arguments"


async def test_a_json_body_is_filled_by_structure_and_keeps_types():
    body = {
        "sku": "{sku}",
        "qty": "{qty}",
        "note": "for {sku}: {qty}",
        "tags": ["{tags}", "fixed", 1],
        "gone": "{gone}",
        "left": "a {brace} {} {not a name}",
    }
    arguments = {"sku": '","admin":true,"x":"', "qty": 2, "tags": ["a", {"b": None}], "brace": True}
    names = ("sku", "qty", "tags", "gone", "brace")
    config = {"url": URL, "method": "POST", "body": body}
    sent, _ = await called(config, arguments, names=names)
    assert json.loads(sent.content) == {
        "sku": '","admin":true,"x":"',
        "qty": 2,
        "note": 'for ","admin":true,"x":": 2',
        "tags": [["a", {"b": None}], "fixed", 1],
        "left": "a true {} {not a name}",
    }
    assert sent.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/x-www-form-urlencoded", {"a": "{v}", "b": 1}, b"a=x%26y%3D1%3C+%C3%A9&b=1"),
        ("application/x-www-form-urlencoded", "a={v}&b=1", b"a=x%26y%3D1%3C%20%C3%A9&b=1"),
        ("application/xml; charset=utf-8", "<a b='{v}'/>", "<a b='x&amp;y=1&lt; é'/>".encode()),
        ("text/plain", "it is {v}.", "it is x&y=1< é.".encode()),
    ],
)
async def test_other_bodies_encode_each_value(content_type, body, expected):
    headers = {"Content-Type": content_type}
    config = {"url": URL, "method": "POST", "headers": headers, "body": body}
    sent, _ = await called(config, {"v": "x&y=1< é"})
    assert sent.content == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/csv", "name,note\n{v},fixed\n", 'name,note\n"a"",b;\r\nevil,1",fixed\n'),
        ("text/csv", 'n;t\r\n"{v}";"x; {v}"', 'n;t\r\n"a"",b;\r\nevil,1";"x; a"",b;\r\nevil,1"'),
        ("text/plain", "name: {v}\nrole: guest", 'name: a",b; evil,1\nrole: guest'),
    ],
)
async def test_a_value_does_not_leave_its_cell_or_line(content_type, body, expected):
    headers = {"Content-Type": content_type}
    config = {"url": URL, "method": "POST", "headers": headers, "body": body}
    sent, _ = await called(config, {"v": 'a",b;\r\nevil,1'})
    assert sent.content.decode() == expected
    sent, outcome = await called(config, {"v": "a\x00b"})
    assert (sent, outcome.error.code) == (None, "invalid_arguments")


async def test_optional_values_are_left_out_and_lists_repeated():
    config = {
        "url": f"{URL}?fixed=1",
        "query": {"tag": "{tags}", "gone": "{gone}", "n": "{n}"},
        "headers": {"X-Gone": "{gone}"},
    }
    arguments = {"tags": ["a b", "c"], "n": 1.5, "gone": None}
    sent, _ = await called(config, arguments, names=("tags", "gone", "n"))
    assert sent.url == f"{URL}?fixed=1&tag=a%20b&tag=c&n=1.5"
    assert "X-Gone" not in sent.headers


@pytest.mark.parametrize(
    ("auth", "secrets", "header", "url"),
    [
        ({"type": "none"}, {}, None, URL),
        ({"type": "bearer"}, {"token": "t0p-secret"}, ("Authorization", "Bearer t0p-secret"), URL),
        (
            {"type": "basic", "username": "ana"},
            {"password": "p/ss:1"},
            ("Authorization", "Basic " + base64.b64encode(b"ana:p/ss:1").decode()),
            URL,
        ),
        (
            {"type": "api_key", "name": "X-Key", "secret": "k"},
            {"k": "k3y-value"},
            ("X-Key", "k3y-value"),
            URL,
        ),
        (
            {"type": "api_key", "send_in": "query", "name": "key", "secret": "k"},
            {"k": "a&b c"},
            None,
            f"{URL}?key=a%26b%20c",
        ),
    ],
    ids=["none", "bearer", "basic", "header", "query"],
)
async def test_each_way_to_authenticate_sends_the_secret_and_never_shows_it(
    auth, secrets, header, url
):
    echo = answered(json.dumps({"seen": [*secrets.values(), header and header[1], url]}).encode())
    config = {"url": URL, "auth": auth, "secrets": secrets}
    sent, outcome = await called(config, answer=echo)
    assert sent.url == url
    assert header is None or sent.headers[header[0]] == header[1]
    told = f"{outcome.text} {json.dumps(outcome.trace)}"
    hidden = [*secrets.values(), "a%26b%20c", base64.b64encode(b"ana:p/ss:1").decode()]
    assert [secret for secret in hidden if secret in told] == []


async def test_a_secret_stands_where_its_placeholder_does_and_no_argument_reaches_it():
    config = {
        "url": URL,
        "headers": {"X-App": "{secrets.app}"},
        "query": {"q": "{q}"},
        "secrets": {"app": "app-secret"},
    }
    sent, _ = await called(config, {"q": "{secrets.app}"})
    assert sent.headers["X-App"] == "app-secret"
    assert sent.url == f"{URL}?q=%7Bsecrets.app%7D"


async def test_what_changes_something_carries_the_key_of_the_call():
    sent, _ = await called({"url": URL, "method": "POST"}, key="run-1:call-2")
    assert sent.headers["Idempotency-Key"] == "run-1:call-2"
    sent, _ = await called({"url": URL})
    assert "Idempotency-Key" not in sent.headers


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (answered(b'{"a": [1, {"b": "x"}]}'), {"a": [1, {"b": "x"}]}),
        (answered(b"\xef\xbb\xbf[1]"), [1]),
        (answered(b"", status=204), {"status": 204}),
        (answered("olá".encode("latin-1"), content_type="text/plain; charset=ISO-8859-1"), "olá"),
        (answered("olá".encode(), content_type="text/html"), "olá"),
        (answered(b"{}", content_type="application/problem+json"), {}),
        (answered(b"a\xff", content_type="text/plain"), "a\ufffd"),
        (answered(b'{"n": 1}', content_type=""), {"n": 1}),
        (answered(b"plain", content_type=""), "plain"),
    ],
)
async def test_an_answer_is_read_by_its_type(answer, result):
    _, outcome = await called({"url": URL}, answer=answer)
    assert outcome.result == result
    assert outcome.is_untrusted


@pytest.mark.parametrize(
    ("answer", "code", "is_mendable"),
    [
        (answered(b'{"error": "no such sku"}', status=404), "http_404", True),
        (answered(b"", status=500), "http_500", False),
        (answered(b"", status=302, location="http://10.0.0.1/"), "http_302", False),
        (answered(b"{"), "invalid_json", False),
        (answered(b"[" * 5000 + b"]" * 5000), "invalid_json", False),
        (answered(b"[NaN]"), "invalid_json", False),
        (answered(b"\x00", content_type="image/png"), "unsupported_content_type", False),
        (FetchTimedOut("Too late."), "fetch_timed_out", False),
        (ResponseTooLarge(), "response_too_large", False),
    ],
)
async def test_what_is_no_good_answer_is_a_failure_with_a_trace(answer, code, is_mendable):
    _, outcome = await called({"url": URL}, answer=answer)
    assert (outcome.status, outcome.error.code) == ("failed", code)
    assert outcome.is_mendable == is_mendable
    assert outcome.trace["request"]["url"] == URL


async def test_the_detail_of_a_failure_says_what_the_server_said_but_not_at_length():
    answer = answered(b"no such sku " + b"x" * 100_000, status=404)
    _, outcome = await called({"url": URL}, answer=answer)
    assert "no such sku" in outcome.error.detail
    assert len(outcome.text) < 1000


@pytest.mark.parametrize(
    ("answer", "method", "is_unknown"),
    [
        (FetchTimedOut("Too late."), "POST", True),
        (ResponseTooLarge(), "POST", True),
        (answered(b"{"), "POST", True),
        (FetchTimedOut("Too late."), "GET", False),
        (answered(b"", status=422), "POST", False),
    ],
)
async def test_a_failure_after_the_sending_may_have_taken_effect(answer, method, is_unknown):
    _, outcome = await called({"url": URL, "method": method}, answer=answer)
    assert (outcome.status, outcome.is_unknown) == ("failed", is_unknown)


CANARY = 'c\u00e4n"ary/7Qm2xZ-0123456789'


@pytest.mark.parametrize("place", [490, 499, 1000, 1020])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_secret_at_the_place_of_a_cut_is_masked_before_it_is_cut(place, status):
    form = json.dumps({"seen": CANARY}).encode()[10:-2]
    answer = answered(b"x" * place + form + b"y" * 1000, status=status, content_type="text/plain")
    _, outcome = await called({"url": URL, "secrets": {"token": CANARY}}, answer=answer)
    assert "c\\u00e" not in outcome.text + json.dumps(outcome.trace["response"]["body_start"])


async def test_the_beginning_of_a_secret_at_the_end_of_an_answer_is_masked():
    answer = answered(b"seen: " + b"0123456", status=500)
    _, outcome = await called({"url": URL, "secrets": {"token": "0123456789"}}, answer=answer)
    assert "0123" not in outcome.text + str(outcome.trace["response"]["body_start"])


STOCK = b'{"data": {"items": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 0}]}, "..": 1}'


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$.data.items[0].qty", 2),
        ("$.data.items[-1].sku", "b"),
        ("$['data']['items'][*].sku", ["a", "b"]),
        ("$.data.items[?@.qty > 0].sku", ["a"]),
        ("$..qty", [2, 0]),
        ("$['..']", 1),
        ("$.data.items[5:]", []),
    ],
)
async def test_the_path_selects_what_the_model_gets(path, selected):
    config = {"url": URL, "response_path": path}
    _, outcome = await called(config, answer=answered(STOCK))
    assert outcome.result == selected
    assert outcome.trace["selected"] == selected


async def test_a_path_that_finds_nothing_is_told():
    config = {"url": URL, "response_path": "$.data.price"}
    _, outcome = await called(config, answer=answered(STOCK))
    assert outcome.error.code == "nothing_selected"
    _, outcome = await called(config, answer=answered(b"x", content_type="text/plain"))
    assert outcome.error.code == "not_json"


async def test_a_large_and_deep_answer_is_walked_in_bounded_time():
    deep = b"[" * 90 + b"1," * 300_000 + b"1" + b"]" * 90
    config = {"url": URL, "response_path": "$..[*,*]"}
    _, outcome = await called(config, answer=answered(deep))
    assert outcome.status == "succeeded"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "ftp://api.example.com"}, "url"),
        ({"url": "//api.example.com"}, "url"),
        ({"url": "https://{host}/x"}, "url"),
        ({"url": "https://api{tenant}.example.com/x"}, "url"),
        ({"url": "{scheme}://api.example.com/x"}, "url"),
        ({"url": "https://api.example.com:{port}/"}, "url"),
        ({"url": "https://api.example.com{path}"}, "url"),
        ({"url": "https://user:pw@api.example.com/"}, "url"),
        ({"url": "https://api.example.com@evil.example/"}, "url"),
        ({"url": "https://api.example.com/#{frag}"}, "url"),
        ({"url": "https://api.example.com/{secrets.token}"}, "url"),
        ({"url": "https://api.example.com/{a b}"}, "url"),
        ({"url": "https://api.example.com\\@evil.example/"}, "url"),
        ({"url": URL, "method": "TRACE"}, "method"),
        ({"url": URL, "headers": {"X Y": "1"}}, "headers"),
        ({"url": URL, "headers": {"X-A": "1", "x-a": "2"}}, "headers"),
        ({"url": URL, "headers": {"Authorization": "Bearer abc"}}, "headers"),
        ({"url": URL, "headers": {"X-A": "{secrets.gone}"}}, ""),
        ({"url": URL, "auth": {"type": "bearer"}}, ""),
        ({"url": URL, "auth": {"type": "digest"}}, "auth"),
        ({"url": URL, "body": {}}, ""),
        ({"url": URL, "method": "POST", "body": "{}"}, ""),
        ({"url": URL, "method": "POST", "body": {"a": "{secrets.x}"}}, "body"),
        ({"url": URL, "method": "POST", "body": {"a": [{"{key}": 1}]}}, "body"),
        ({"url": URL, "method": "POST", "body": 1, "headers": {"Content-Type": "a/b"}}, ""),
        ({"url": URL, "response_path": "$.a["}, "response_path"),
        ({"url": URL, "response_path": "$[?match(@.a, '(a+)+')]"}, "response_path"),
        ({"url": URL, "response_path": "$..[?@..a]"}, "response_path"),
        ({"url": URL, "response_path": "$..[?$..a]"}, "response_path"),
        ({"url": URL, "response_path": "$" + "[*,*]" * 30}, "response_path"),
        ({"url": URL, "response_path": "$[?@" * 45 + "]" * 45}, "response_path"),
        ({"url": URL, "max_response_bytes": 2_000_000}, "max_response_bytes"),
        ({"url": URL, "secrets": {"a b": "xxxx"}}, "secrets"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_configuration_that_could_reach_elsewhere_or_makes_no_sense_is_refused(fields, pointer):
    with pytest.raises(ValidationError) as refused:
        HttpConfig.model_validate(fields)
    assert [str(error["loc"][0]) if error["loc"] else "" for error in refused.value.errors()] == [
        pointer
    ]
