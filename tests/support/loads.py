"""What a cache asks when it has nothing."""

import asyncio
from typing import Any


class Counted:
    """A load that gives, or raises, what it held when it was asked, and counts."""

    def __init__(self, value: Any, *, takes_s: float = 0.0) -> None:
        self.value, self._takes_s = value, takes_s
        self.count = 0

    async def __call__(self) -> Any:
        self.count += 1
        value = self.value
        await asyncio.sleep(self._takes_s)
        if isinstance(value, Exception):
            raise value
        return value
