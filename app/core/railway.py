"""What Railway tells its containers, and what must not be lost when it replaces one.

Source: Railway's reference of variables; volumes: `RAILWAY_VOLUME_MOUNT_PATH`. Its edge overwrites
`X-Real-IP` with the client's address, and ends `X-Forwarded-For` with one of its own, which changes
with each request (measured in Crossbill-App/crossbill-web#450 and fancyboi999/open-tag#107).
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

FOREVER = (
    "On Railway a container's own files are gone with the next deploy. Set DATABASE_URL, or"
    " SUPABASE_URL and SUPABASE_SERVICE_KEY; or attach a volume and mount it at DATA_DIR ({data})."
)
SEALED = (
    "ENCRYPTION_KEY: set it (32 random characters or more, e.g. from `openssl rand -base64 32`); a"
    " key made in this container is gone with the next deploy, and with it every stored secret."
)

EDGE_HEADER = "X-Real-IP"


def found_on_railway(variables: Mapping[str, str]) -> dict[str, str]:
    """What need not be set there: data on the volume, the public address, who the clients are.

    A container there is reached through Railway's edge, whose addresses change, or from services
    of the same project: whoever asks may say for whom.
    """
    if not variables.get("RAILWAY_ENVIRONMENT_ID"):
        return {}
    found: dict[str, str] = {}
    # Another header than the one that the edge overwrites is anybody's, until proxies are named.
    if variables.get("CLIENT_ADDRESS_HEADER", EDGE_HEADER).lower() == EDGE_HEADER.lower():
        found = {"TRUSTED_PROXIES": "0.0.0.0/0,::/0", "CLIENT_ADDRESS_HEADER": EDGE_HEADER}
    if volume := variables.get("RAILWAY_VOLUME_MOUNT_PATH"):
        found["DATA_DIR"] = volume
    if domain := variables.get("RAILWAY_PUBLIC_DOMAIN"):
        found["PUBLIC_URL"] = f"https://{domain}"
    return found


def unfit_for_railway(variables: Mapping[str, str]) -> list[str]:
    """What would be lost with the container, as messages that say what to set."""
    if not variables.get("RAILWAY_ENVIRONMENT_ID"):
        return []
    data = PurePosixPath(variables.get("DATA_DIR", ".data"))
    volume = variables.get("RAILWAY_VOLUME_MOUNT_PATH")
    if volume and data.is_relative_to(volume):
        return []
    problems = [] if variables.get("ENCRYPTION_KEY") else [SEALED]
    if not variables.get("DATABASE_URL") and not variables.get("SUPABASE_URL"):
        problems.insert(0, FOREVER.format(data=data))
    return problems
