"""Routes under /api/v2/settings/usage."""

from app.features.settings.usage import UsageService
from app.features.settings.usage_schemas import MonthUsage
from app.web.auth import SettingsReader
from app.web.deps import OpenPorts
from app.web.routing import Feature, room_router

router = room_router("settings", prefix="/api/v2/settings/usage")


@router.get("", summary="Read the month's usage")
async def get_usage(ports: OpenPorts, caller: SettingsReader) -> MonthUsage:
    """What chats have used since the month began, by the organization's `timezone`.

    Each answer counts on the day on which it began, once it has ended. The sums are those of the
    runs that are stored; the budgets also hold what was deleted since.
    """
    return await UsageService(ports, caller).month()


FEATURE = Feature("usage", router)
