"""What is measured of a server, and how it is printed."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.chat.driver import Readings, Target, load
from benchmarks.chat.processes import use
from benchmarks.chat.reads import Reading, read

TOKENS, PAUSE_MS, FIRST_MS = 64, 10, 200
MANY, MANY_TOKENS = 1000, 15


@dataclass(frozen=True)
class Profile:
    """What the model answers."""

    tokens: int = TOKENS
    pause_ms: int = PAUSE_MS
    first_ms: int = FIRST_MS

    @property
    def model(self) -> str:
        return f"mock-{self.tokens}-{self.pause_ms}-{self.first_ms}"

    @property
    def took_ms(self) -> int:
        return self.first_ms + (self.tokens - 1) * self.pause_ms


LONG, SHORT, SLOW = Profile(), Profile(1, 0, 50), Profile(MANY_TOKENS, 1000, 1000)


@dataclass(frozen=True)
class Server:
    """Something to be measured, and what to post for each profile."""

    name: str
    pid: int
    targets: dict[Profile, Target]


def at(values: list[float], share: float) -> float:
    """The value below which that share of them lies."""
    return (
        sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else float("nan")
    )


def shares(values: list[float], digits: int = 1) -> str:
    """The median and the 99th percentile."""
    return f"{at(values, 0.5):.{digits}f} / {at(values, 0.99):.{digits}f}"


HEAD = (
    "| server | open | streams/s | CPU ms | of PostgreSQL | driver, model"
    " | first event ms p50 / p99 | overhead ms p50 / p99 | total : upstream | token ms p50 / p99"
    " | MB | failed |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(
    server: Server,
    profile: Profile,
    at_once: int,
    readings: Readings,
    took_s: float,
    cpus: list[float],
) -> str:
    """One line of the table."""
    count = max(len(readings.total), 1)
    ours, database, driver, model = (f"{cpu_s / count * 1000:.1f}" for cpu_s in cpus)
    cells = [
        server.name,
        str(at_once),
        f"{len(readings.total) / took_s:.0f}",
        ours,
        database,
        f"{driver}, {model}",
        shares(readings.first_event),
        shares([total - profile.took_ms for total in readings.total]),
        f"{at(readings.total, 0.5) / profile.took_ms:.3f}",
        shares(readings.token, 2),
        f"{use(server.pid).rss_mb:.0f}",
        str(readings.failed),
    ]
    return f"| {' | '.join(cells)} |"


def cpus(server: Server, model_pid: int) -> list[float]:
    """CPU seconds so far: the server's, its PostgreSQL's, this process's, the model's."""
    used = use(server.pid)
    return [used.cpu_s, used.children_cpu_s, time.process_time(), use(model_pid).cpu_s]


async def measure(
    server: Server, model_pid: int, profile: Profile, at_once: int, seconds: float
) -> None:
    """Print one line."""
    before = cpus(server, model_pid)
    readings, took_s = await load(server.targets[profile], at_once=at_once, seconds=seconds)
    spent = [after - b for after, b in zip(cpus(server, model_pid), before, strict=True)]
    print(row(server, profile, at_once, readings, took_s, spent), flush=True)


async def measure_reads(server: Server, reading: Reading, seconds: float) -> None:
    """Print how many plain reads a second it serves."""
    before = use(server.pid).cpu_s
    answers = await read(reading, at_once=20, seconds=seconds)
    cpu_s = use(server.pid).cpu_s - before
    count = max(len(answers.took), 1)
    print(
        f"plain reads, {server.name}: {count / seconds:.0f}/s, {cpu_s / count * 1e6:.0f} µs CPU"
        f" each, {shares(answers.took)} ms, {answers.failed} failed"
    )


async def measure_many(server: Server, port: int) -> None:
    """Print how so many chats are held at once."""
    seconds = SLOW.took_ms / 1000
    before = use(server.pid).cpu_s
    (readings, _), pulse = await asyncio.gather(
        # Each begins one stream; a second one would begin after the time is over.
        load(server.targets[SLOW], at_once=MANY, seconds=2, spread_s=1.8),
        read(Reading(port, "/health/live"), at_once=1, seconds=seconds + 2, pause_s=0.05),
    )
    used = use(server.pid)
    print(
        f"\n{MANY} open at once, a token a second each: {readings.failed} failed of"
        f" {readings.failed + len(readings.total)}, first event {shares(readings.first_event)} ms,"
        f" token {shares(readings.token, 2)} ms, loop lag {shares(pulse.took)} ms,"
        f" {(used.cpu_s - before) / seconds * 100:.0f} % of a core, {used.rss_mb:.0f} MB"
    )
