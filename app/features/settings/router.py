"""Routes under /api/v2/settings."""

from typing import Annotated

from fastapi import Depends, Response

from app.features.settings.errors import SettingsVersionMismatch
from app.features.settings.schemas import OrganizationSettings, SettingsUpdate
from app.features.settings.service import SettingsService
from app.ports.llm import UnknownModel
from app.web.auth import SettingsReader, SettingsWriter
from app.web.deps import OpenPorts
from app.web.etags import NOT_MODIFIED, IfMatch, etag, expected_versions
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("settings", prefix="/api/v2/settings")


async def _readable(ports: OpenPorts, caller: SettingsReader) -> SettingsService:
    return SettingsService(ports, caller)


async def _writable(ports: OpenPorts, caller: SettingsWriter) -> SettingsService:
    return SettingsService(ports, caller)


Readable = Annotated[SettingsService, Depends(_readable)]
Writable = Annotated[SettingsService, Depends(_writable)]


@router.get("", summary="Read the settings", responses=NOT_MODIFIED)
async def get_settings(settings: Readable, response: Response) -> OrganizationSettings:
    """What holds for the organization; `ETag` is the version of what it has set."""
    found = await settings.get()
    response.headers.update(etag(found.version))
    return found


@router.patch(
    "",
    summary="Change the settings",
    responses=problems(SettingsVersionMismatch, UnknownModel),
)
async def update_settings(
    body: SettingsUpdate, settings: Writable, response: Response, if_match: IfMatch = None
) -> OrganizationSettings:
    """Change what is sent; null brings a default back. It holds everywhere within 5 s.

    A chat takes what its request says, else what its agent has. An agent takes what is left out
    when it is made or replaced from here, else from the service, and keeps it: a later change of a
    default changes no agent.
    """
    changed = await settings.update(body, expected_versions=expected_versions(if_match))
    response.headers.update(etag(changed.version))
    return changed


FEATURE = Feature("settings", router)
