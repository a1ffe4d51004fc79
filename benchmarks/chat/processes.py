"""Readings of /proc: what a process and its children have used."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """CPU seconds so far and resident memory now; `children` are all descendants together."""

    cpu_s: float
    rss_mb: float
    children_cpu_s: float
    children_pss_mb: float


def _stat(pid: int) -> tuple[int, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(_stat(int(entry.name))[0], []).append(int(entry.name))
            except OSError:
                continue
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


def _memory_mb(pid: int, name: str, file: str = "status") -> float:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def use(pid: int) -> Use:
    """Of one process; children's memory as PSS, since PostgreSQL's share their buffers."""
    children_cpu_s = children_pss_mb = 0.0
    for child in _descendants(pid):
        try:
            children_cpu_s += _stat(child)[1]
            children_pss_mb += _memory_mb(child, "Pss:", "smaps_rollup")
        except OSError:
            continue
    return Use(_stat(pid)[1], _memory_mb(pid, "VmRSS"), children_cpu_s, children_pss_mb)
