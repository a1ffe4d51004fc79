"""Nothing opens a connection but the files that are named here, each for a reason.

A tool that calls an address by a client of its own is a hole (CVE-2026-43995 was one). An address
that a user gave is called through `ports.fetch` alone.
"""

import ast
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loopback_only import refuse_elsewhere

ROOT = Path(__file__).parents[2]
FILES = sorted([ROOT / "main.py", *(ROOT / "app").rglob("*.py")])

# Whose import could open a connection.
NETWORK = {
    "aiohttp", "anthropic", "asyncpg", "ddgs", "ftplib", "http.client", "httpcore", "httpcore2",
    "httplib2", "httpx", "httpx2", "imaplib", "nntplib", "openai", "poplib", "postgrest", "primp",
    "psycopg", "pycurl", "realtime", "redis", "requests", "smtplib", "socket", "socketserver",
    "storage3", "supabase", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
CALLS = {
    "create_connection", "create_datagram_endpoint", "create_unix_connection", "open_connection",
    "open_unix_connection", "sock_connect", "sock_sendto", "start_tls",
}  # fmt: skip
LOADERS = {"import_module", "__import__"}

OPERATORS = "to the database, Redis or provider that the operator's settings name"
ALLOWED = {
    "app/adapters/embedder/embeddings_api.py": OPERATORS,
    "app/adapters/fetch/connection.py": "the one door: to a checked address that a user gave",
    "app/adapters/fetch/resolver.py": "looks up the names of addresses that users give",
    "app/adapters/files/bucket.py": "to the Supabase project that the operator's settings name",
    "app/adapters/llm/attempt.py": OPERATORS,
    "app/adapters/llm/connection.py": OPERATORS,
    "app/adapters/llm/error_bodies.py": "names the failures of the providers' client",
    "app/adapters/llm/failures.py": "names the failures of the providers' client",
    "app/adapters/llm/posting.py": OPERATORS,
    "app/adapters/llm/transport/dialling.py": OPERATORS,
    "app/adapters/llm/transport/head.py": "writes what is sent to the providers",
    "app/adapters/llm/transport/incoming.py": "names the failures of the providers' client",
    "app/adapters/llm/transport/pool.py": OPERATORS,
    "app/adapters/parser/sandbox/child.py": "loads its order's parser where no socket can be made",
    "app/adapters/reranker/rerank_api.py": OPERATORS,
    "app/adapters/searcher/duckduckgo.py": "loads ddgs, which asks its own fixed hosts; opt-in",
    "app/adapters/shared/redis_bus.py": OPERATORS,
    "app/adapters/shared/redis_cache.py": OPERATORS,
    "app/adapters/shared/redis_link.py": OPERATORS,
    "app/adapters/shared/redis_run_tails.py": OPERATORS,
    "app/adapters/shared/redis_run_writer.py": OPERATORS,
    "app/adapters/shared/redis_scripts.py": OPERATORS,
    "app/adapters/signing_keys/jwks.py": "to the issuer that CLERK_ISSUER names",
    "app/adapters/store/at_hand.py": OPERATORS,
    "app/adapters/store/bundled/postmaster.py": "to the bundled PostgreSQL, by its socket",
    "app/adapters/store/connections.py": OPERATORS,
    "app/adapters/store/embedded.py": "to the bundled PostgreSQL, by its socket",
    "app/adapters/store/migrations.py": OPERATORS,
    "app/adapters/store/postgres.py": OPERATORS,
    "app/adapters/store/postgrest.py": OPERATORS,
    "app/adapters/store/supabase.py": OPERATORS,
    "app/command_line/demo_client.py": "a client of the service that the demo has started",
    "app/command_line/demo_service.py": "waits for the service that the demo has started",
    "app/command_line/free_port.py": "binds where the service will listen, and lets go again",
    "app/command_line/serve.py": "the socket at which the service listens",
    "app/core/registry.py": "loads the modules that a registry names, which this test reads too",
}


def touches(tree: ast.AST) -> Iterator[str]:
    """Whatever in a module could lead to a connection."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_network(alias.name))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            yield from [name for name in names if is_network(name)][:1]
            # A call may be imported from asyncio by its bare name.
            yield from (alias.name for alias in node.names if alias.name in CALLS)
        elif isinstance(node, ast.Attribute) and node.attr in CALLS:
            yield node.attr
        elif isinstance(node, ast.Call):
            yield from loaded(node)


def loaded(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    argument = call.args[0] if call.args else None
    # `to_thread(import_module, "supabase")` passes the loader on.
    if name not in LOADERS and isinstance(argument, ast.Name) and argument.id in LOADERS:
        argument = call.args[1]
    elif name not in LOADERS:
        return
    if not isinstance(argument, ast.Constant):
        yield "a module that is named while running"
    elif is_network(str(argument.value)):
        yield str(argument.value)


def is_network(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in NETWORK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_opens_no_connection_unless_it_is_named(path):
    found = set(touches(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found or str(path.relative_to(ROOT)) in ALLOWED, (
        f"{', '.join(sorted(found))}: call what a user names through `ports.fetch`; what only an"
        " operator names may have a file of its own in app/adapters, listed above with its reason"
    )


def test_the_list_names_no_file_that_needs_it_no_more():
    for name in ALLOWED:
        path = ROOT / name
        assert path.exists(), f"{name} is gone: take it off the list"
        assert set(touches(ast.parse(path.read_text(encoding="utf-8")))), (
            f"{name} opens nothing any more: take it off the list"
        )


@pytest.mark.parametrize(
    "code",
    [
        "import socket",
        "import httpx2",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen",
        "from http import client",
        "import requests.sessions",
        "def f():\n    from aiohttp import ClientSession",
        "import asyncio\nasyncio.open_connection('h', 1)",
        "from asyncio import open_connection",
        "loop.create_connection(p, 'h', 1)",
        "loop.sock_connect(s, a)",
        "__import__('socket')",
        "import importlib\nimportlib.import_module('requests')",
        "import_module(name)",
        "asyncio.to_thread(import_module, 'redis')",
    ],
)
def test_every_way_to_a_connection_is_seen(code):
    assert set(touches(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["from urllib.parse import urlsplit", "import http", "from starlette import requests"]
)
def test_what_leads_to_none_is_left_alone(code):
    assert not set(touches(ast.parse(code)))


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "8.8.8.8", "2606:4700::1111"])
def test_no_test_can_connect_to_another_machine(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.socket(family) as connection,
        pytest.raises(AssertionError, match=f"would connect to {address}"),
    ):
        # Asked as Python asks before it connects: a guard that fails must send nothing.
        refuse_elsewhere("socket.connect", (connection, (address, 443)))
