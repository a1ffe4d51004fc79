"""Every form of `REDIS_URL`: by TCP, by TLS, by a socket, with a password, another database."""

import datetime
import ipaddress
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.adapters.shared.redis import open_redis
from app.core.clock import SystemClock
from app.ports.limiter import Rate
from tests.support.redis_server import running_redis
from tests.support.service import free_port

pytestmark = pytest.mark.anyio


def a_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis of a test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(pem))
    paths[1].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return paths


async def is_shared_at(url: str) -> bool:
    async with open_redis(url, SystemClock()) as process:
        await process.limiter.take("k", Rate(5, 3600))
        return await process.is_shared_now()


async def test_a_socket_and_another_database():
    # pytest's own folders have names that are too long for a socket (108 bytes, unix(7)).
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/redis.sock"
        async with running_redis("--unixsocket", socket) as server:
            assert await is_shared_at(f"unix://{socket}?db=3")
            assert await server.do("EXISTS", "adc:v1:limit:k") == 0
            assert await is_shared_at(f"{server.url.removesuffix('/0')}/3")
            assert list(await server.do("INFO", "keyspace")) == ["db3"]


async def test_a_password_that_is_right_and_one_that_is_wrong():
    async with running_redis() as server:
        await server.do("ACL", "SETUSER", "adc", "on", ">p@ss/1", "~adc:*", "&adc:*", "+@all")
        address = server.url.removeprefix("redis://")
        assert await is_shared_at(f"redis://adc:p%40ss%2F1@{address}")
        assert not await is_shared_at(f"redis://adc:wrong@{address}")


async def test_tls_with_a_certificate_that_is_trusted_and_one_that_is_not(tmp_path):
    certificate, key = a_certificate(tmp_path)
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file")
    more = (str(key), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificate))
    async with running_redis(*options, *more):
        url = f"rediss://127.0.0.1:{port}/0"
        assert await is_shared_at(f"{url}?ssl_ca_certs={certificate}")
        assert not await is_shared_at(url)
