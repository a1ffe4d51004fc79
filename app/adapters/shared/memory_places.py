"""Places that are held at once, in the memory of one process."""

from app.core.clock import Clock

MAX_KEYS = 10_000


class MemoryPlaces:
    """Who holds a place of a key, and until when. Past MAX_KEYS what is new gets none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: dict[str, dict[str, float]] = {}

    def hold(self, key: str, holder: str, *, capacity: int, lease_s: float) -> bool:
        now_s = self._clock.monotonic_s()
        held = {who: at for who, at in self._until_s.get(key, {}).items() if at > now_s}
        is_full = len(held) >= capacity and holder not in held
        if is_full or (key not in self._until_s and len(self._until_s) >= MAX_KEYS):
            return False
        held[holder] = now_s + lease_s
        self._until_s[key] = held
        return True

    def let_go(self, key: str, holder: str) -> None:
        held = self._until_s.get(key, {})
        held.pop(holder, None)
        if not held:
            self._until_s.pop(key, None)
