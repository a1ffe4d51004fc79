"""A service of the demo's own: a child process with a data folder that ends with it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.command_line.demo_failure import DemoFailed
from app.command_line.stop_signals import StopSignals
from app.core.settings import child_environment

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05

# The demo shows the keyless default on data of its own, whatever else is configured.
NOT_FOR_THE_DEMO = {
    name: ""
    for name in (
        "DATABASE_URL",
        "SUPABASE_URL",
        "SUPABASE_SERVICE_KEY",
        "REDIS_URL",
        "CLERK_ISSUER",
        "CLERK_PUBLISHABLE_KEY",
        "LOG_LEVEL",
    )
}


@dataclass(frozen=True)
class DemoService:
    """The running service."""

    process: "subprocess.Popen[bytes]"
    data_dir: Path
    url: str

    @property
    def api_key(self) -> str:
        return (self.data_dir / "api_key").read_text().strip()

    def wait_until_ready(self) -> None:
        """Return once the service can answer.

        Raises:
            DemoFailed: it ended, or took longer than `READY_TIMEOUT_S`.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        with httpx2.Client(timeout=2, trust_env=False) as client:
            while time.monotonic() < deadline:
                if (exit_code := self.process.poll()) is not None:
                    raise DemoFailed(f"The service ended with exit code {exit_code}.")
                with suppress(httpx2.TransportError):
                    if client.get(f"{self.url}/health/ready").is_success:
                        return
                time.sleep(POLL_S)
        raise DemoFailed(f"The service was not ready within {READY_TIMEOUT_S:.0f} s.")

    def log_tail(self, *, lines: int) -> str:
        """The last lines that the service logged."""
        with suppress(OSError):
            text = _log_path(self.data_dir).read_text(errors="replace")
            return "\n".join(text.splitlines()[-lines:])
        return ""


@contextmanager
def running_service(port: int, *, stop_signals: StopSignals) -> Generator[DemoService]:
    """Start the service at this port or, when it is taken, another; end it whatever happens."""
    port = port if port and _is_free(port) else _any_free_port()
    started: list[DemoService] = []
    guards: list[subprocess.Popen[bytes]] = []
    data_dir: Path | None = None
    try:
        with stop_signals.held():
            data_dir = _new_data_dir()
            started.append(_start(port, data_dir=data_dir))
            guards.append(_start_guard(started[0]))
        yield started[0]
    finally:
        with suppress(KeyboardInterrupt), stop_signals.held():
            for service in started:
                _stop(service.process, stop_signals=stop_signals)
            if data_dir:
                shutil.rmtree(data_dir, ignore_errors=True)
            for guard in guards:
                guard.communicate(b".")


def _new_data_dir() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="agentes-demo-"))
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; the user it runs as has to pass through this folder.
        folder.chmod(0o755)
    return folder


def _start(port: int, *, data_dir: Path) -> DemoService:
    url = f"http://{HOST}:{port}"
    overrides = NOT_FOR_THE_DEMO | {
        "DATA_DIR": str(data_dir),
        "HOST": HOST,
        "PORT": str(port),
        "PUBLIC_URL": url,
        "LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "uvicorn", "main:app", "--host", HOST, "--port", str(port)]
    with _log_path(data_dir).open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-access-log", "--timeout-graceful-shutdown", "10"],
            cwd=REPOSITORY,
            env=child_environment(**overrides),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A group of its own: Ctrl-C in the terminal reaches the demo only, which then stops it.
            process_group=0,
        )
    return DemoService(process=process, data_dir=data_dir, url=url)


def _start_guard(service: DemoService) -> "subprocess.Popen[bytes]":
    """A process that ends the service should this one be killed before it can."""
    arguments = [str(service.process.pid), str(service.data_dir)]
    return subprocess.Popen(
        [sys.executable, "-m", "app.command_line.demo_guard", *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Whatever ends the terminal's processes must not end this one.
        start_new_session=True,
    )


def _stop(process: "subprocess.Popen[bytes]", *, stop_signals: StopSignals) -> None:
    """SIGTERM, then SIGKILL after `STOP_TIMEOUT_S` or as soon as a stop is requested again."""
    requests = stop_signals.requests
    with suppress(ProcessLookupError):
        process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while (
        process.poll() is None and time.monotonic() < deadline and stop_signals.requests == requests
    ):
        time.sleep(POLL_S)
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_free(port: int) -> bool:
    # macOS lets 127.0.0.1 be bound beside a listener on 0.0.0.0, so binding alone proves nothing.
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as listener, suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        return True
    return False


def _any_free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _log_path(data_dir: Path) -> Path:
    return data_dir / "service.log"
