"""A Clerk instance: its keys over HTTP, and session tokens as it makes them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


def new_rsa(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Clerk:
    """`keys` are served as JWKS; `body` or `status` replace that; `asked` counts."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.keys = {"ins_1": new_rsa()}
        self.body: bytes | None = None
        self.status = 200
        self.delay_s = 0.0
        self.asked = 0

    def jwks(self) -> bytes:
        entries = [
            RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            | {"kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in self.keys.items()
        ]
        return orjson.dumps({"keys": entries})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Version 2, with an organization; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {
            "azp": "https://app.example.com",
            "exp": now + 60,
            "fva": [7, -1],
            "iat": now,
            "iss": self.issuer,
            "nbf": now - 10,
            "o": {"id": "org_1", "rol": "admin", "slg": "aurora"},
            "sid": "sess_1",
            "sub": "user_1",
            "v": 2,
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, kid: str = "ins_1", headers: dict[str, Any] | None = None, **changes: Any):
        return jwt.encode(
            self.claims(**changes),
            self.keys[kid],
            algorithm="RS256",
            headers={"kid": kid} | (headers or {}),
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        body = self.jwks() if self.body is None else self.body
        head = (
            f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running_clerk() -> AsyncIterator[Clerk]:
    clerk = Clerk("")
    server = await asyncio.start_server(clerk.serve, "127.0.0.1", 0)
    clerk.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield clerk
