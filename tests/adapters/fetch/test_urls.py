"""One spelling of a URL, which is the one that is checked and called."""

from urllib.parse import urlsplit

import httpx2
import pydantic
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.fetch.hosts import Unfit
from app.adapters.fetch.urls import read_location, read_url

PIECES = (
    "example.com", "127.0.0.1", "127", "0x7f", "0177", "1", ".", "..", "-", "_", "@", ":", "/",
    "//", "\\", "?", "#", "%40", "%2e", "%", "[::1]", "[", "]", "2a00::1", "①", "é", "ç", "。",
    "xn--", "a", "EXAMPLE", ":443", ":8443", ":0", "user", " ", "\t", "\n", "\r", "\x00", "|",
    "{", "&", "=",
)  # fmt: skip


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com.:443/A?b#c", "https://example.com/A?b"),
        ("https://example.com:8443?q=ç á", None),
        ("https://example.com:8443?q=çá", "https://example.com:8443/?q=%C3%A7%C3%A1"),
        ("https://açaí.com.br/preço", "https://xn--aa-4iaz.com.br/pre%C3%A7o"),
        ("https://xn--aa-4iaz.com.br/", "https://xn--aa-4iaz.com.br/"),
        ("http://example.com:80/%c3?%20", "http://example.com/%c3?%20"),
        ("https://[2A00:0::1]:444/", "https://[2a00::1]:444/"),
        ("https://[::ffff:8.8.8.8]/", "https://8.8.8.8/"),
        ("https://a_b.example.com/{x}|y", "https://a_b.example.com/%7Bx%7D%7Cy"),
        ("https://example.com/a@b:c/../d//e", "https://example.com/a@b:c/../d//e"),
    ],
)
def test_a_url_has_one_spelling(url, canonical):
    if canonical is None:
        with pytest.raises(Unfit):
            read_url(url)
        return
    assert read_url(url).url == canonical
    assert read_url(canonical).url == canonical


@given(st.text(alphabet="htps:/.@\\#?%[]a1０①é。x-_ \t\r\n&=8", max_size=30))
def test_whatever_is_taken_is_ascii_has_one_host_and_stays_as_it_is(text):
    try:
        target = read_url(f"https://{text}")
    except Unfit:
        return
    assert target.url.isascii()
    assert read_url(target.url) == target
    authority = target.url.removeprefix("https://").partition("/")[0]
    assert not set(authority) & set("@\\%?# \t\r\n")
    assert authority == target.authority


def hosts_by_others(url: str) -> dict[str, str | None]:
    return {
        "urllib": urlsplit(url).hostname,
        "httpx2": httpx2.URL(url).raw_host.decode().strip("[]"),
        "yarl": yarl.URL(url, encoded=True).raw_host,
        "pydantic": (pydantic.HttpUrl(url).host or "").strip("[]"),
    }


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join))
def test_whatever_is_taken_every_other_program_reads_in_the_same_way(text):
    try:
        target = read_url(f"https://{text}")
    except Unfit:
        return
    host = target.host.strip("[]")
    assert hosts_by_others(target.url) == dict.fromkeys(hosts_by_others(target.url), host)
    assert (urlsplit(target.url).port or 443) == target.port


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "https://example.com/b"),
        ("b?c", "https://example.com/x/b?c"),
        ("../b", "https://example.com/b"),
        ("?c", "https://example.com/x/y?c"),
        ("//other.example/z", "https://other.example/z"),
        ("http://other.example", "http://other.example/"),
        ("https://example.com@127.0.0.1/", None),
        ("//127.0.0.1\\@example.com/", None),
        ("/b\r\nX: 1", None),
        ("gopher://127.0.0.1:6379/_FLUSHALL", None),
        ("//[::1", None),
        ("https:example.org", None),
        ("https:///example.org", None),
        ("///example.org", None),
        ("https:/x", None),
        ("x:y", None),
        ("/x:y", "https://example.com/x:y"),
    ],
)
def test_a_redirect_is_read_as_strictly_as_a_url(location, url):
    base = read_url("https://example.com/x/y")
    if url is None:
        with pytest.raises(Unfit):
            read_location(base, location)
    else:
        assert read_location(base, location).url == url
