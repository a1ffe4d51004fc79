"""HTML as a reader sees it."""

import asyncio

import pytest

from app.adapters.parser import PARSERS
from app.adapters.parser.sandbox.orders import Limits
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.ports.parser import Cut, DocumentEmpty, DocumentTooComplex

pytestmark = pytest.mark.anyio
HTML = PARSERS["html"]
PAGE = """<!DOCTYPE html><html><head><title>Loja &amp; Cia</title>
<style>p { color: red }</style><script>var segredo = 1</script></head><body>
<nav><a href="/">Menu</a></nav>
<h2>Entrega <em>r&aacute;pida</em></h2><p>Ol&aacute;,
   mundo <b>for</b>te.</p>
<p hidden>oculto</p><div style="display: none"><p>oculto</p></div><!-- oculto -->
<ul><li>um<ul><li>um ponto um</li></ul></li><li><p>dois</p></li></ul>
<ol><li>primeiro<li>segundo</ol>
<table><caption>Prazos</caption><thead><tr><th>Região<th>Prazo</thead>
<tr><td>Nordeste<td>6 a 10 dias<tr><td>Sul<td><p>4 a 7</p><p>dias</p></table>
<table><tr><td><h3>Atendimento</h3><p>Das 9h às 18h</p></td><td>Sábado</td></tr></table>
<pre>linha 1
  linha 2</pre><p><img src="http://127.0.0.1:1/x.png" alt="A fachada da loja"></p>
</body></html>"""
READ = """# Loja & Cia

## Entrega rápida

Olá, mundo forte.

- um
  - um ponto um
- dois
1. primeiro
2. segundo

Prazos

- Região: Nordeste — Prazo: 6 a 10 dias
- Região: Sul — Prazo: 4 a 7 dias

### Atendimento

Das 9h às 18h

Sábado

```
linha 1
  linha 2
```

A fachada da loja"""


async def text_of(content: bytes, limits: Limits | None = None) -> str:
    with open_sandbox(limits) as sandbox:
        chunks = await sandbox.chunks(HTML, content, Cut(size=2000, overlap=0))
    return "\n\n".join(chunk.content for chunk in chunks)


async def test_a_page_becomes_what_its_reader_sees():
    assert await text_of(PAGE.encode()) == READ


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf<html><p>" + "Promoção às 9h".encode(),
        "<html><p>Promoção às 9h".encode("utf-16"),
        b'<html><meta charset="iso-8859-1"><p>' + "Promoção às 9h".encode("latin-1"),
        b'<html><meta http-equiv=x content="text/html; charset=windows-1252"><p>'
        + "Promoção às 9h".encode("cp1252"),
        b"<html><p>" + "Promoção às 9h".encode("latin-1"),
        b'<html><meta charset="idna"><p>' + "Promoção às 9h".encode(),
    ],
    ids=["mark", "utf-16", "declared", "declared in a header", "undeclared", "no character set"],
)
async def test_encodings_are_told(content):
    assert await text_of(content) == "Promoção às 9h"


async def test_nothing_that_a_page_names_is_fetched():
    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    page = (
        f'<html><meta http-equiv="refresh" content="0; url={url}"><base href="{url}">'
        f'<link rel="stylesheet" href="{url}"><script src="{url}"></script><img src="{url}">'
        f'<iframe src="{url}"></iframe><object data="{url}"></object><p>Texto'
    )
    assert await text_of(page.encode()) == "Texto"
    server.close()
    assert asked == []


async def test_tags_nested_a_million_times_are_bounded():
    limits = Limits(cpu_s=2, wall_s=20)
    assert await text_of(b"<html>" + b"<span>" * 200_000 + b"fundo", limits) == "fundo"
    with pytest.raises(DocumentTooComplex):
        await text_of(b"<html>" + b"<div>" * 1_000_000 + b"fundo", limits)


@pytest.mark.parametrize("deep", [b"<div>" * 20_000, b"<div><p><section>" * 10_000])
async def test_blocks_nested_too_deeply_are_refused_with_a_reason(deep):
    with pytest.raises(DocumentTooComplex, match="nested more than"):
        await text_of(b"<html>" + deep + b"fundo")


async def test_blocks_side_by_side_and_those_that_a_script_writes_are_not_nested():
    script = b"<script>document.write('" + b"<div>" * 10_000 + b"')</script>"
    page = b"<html>" + script + b"<!-- " + b"<div>" * 10_000 + b"-->" + b"<div>um</div>" * 6_000
    assert (await text_of(page)).count("um") == 6_000


async def test_a_flood_of_entities_is_only_long():
    limits = Limits(cpu_s=10, output_chars=500_000)
    assert (await text_of(b"<html>" + b"&amp;&#x41; " * 1000, limits)).startswith("&A &A")
    with pytest.raises(DocumentTooComplex):
        await text_of(b"<html>" + b"&amp;&#x41; " * 300_000, limits)


async def test_a_page_without_words_is_empty():
    with pytest.raises(DocumentEmpty):
        await text_of(b"<html><script>var x = 1</script><p> </p>")
