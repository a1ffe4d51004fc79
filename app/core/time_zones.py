"""Time zones by the names of the IANA database."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Not `Factory` or `localtime`, which mean something else on every machine.
_NAME = re.compile(r"UTC|GMT|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2}")


def time_zone(name: str) -> ZoneInfo:
    """The zone of that name, such as `America/Sao_Paulo`.

    Raises:
        ValueError: there is none.
    """
    try:
        if _NAME.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        pass
    raise ValueError("is not a name of the IANA time zone database, such as America/Sao_Paulo")
