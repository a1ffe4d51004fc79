"""Time zones by the names of the IANA database."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Not `Factory`, `localtime` or `right/…`, which are no places.
_NAME = re.compile(r"(?!Factory\Z)[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


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
