"""Rate limits as clients send and receive them."""

from typing import Annotated

from pydantic import Field

from app.core.schemas import Body, Resource

PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
AtOnce = Annotated[int, Field(ge=1, le=10_000)]


class RateLimitsUpdate(Body):
    """Limits to be changed; null brings a limit's default back."""

    requests_per_minute: PerMinute | None = Field(
        default=None, description="All requests of one key, user or visitor."
    )
    chats_per_minute: PerMinute | None = Field(
        default=None, description="Chats of one key, user or visitor."
    )
    searches_per_minute: PerMinute | None = Field(
        default=None, description="Searches of one key or user."
    )
    uploads_per_minute: PerMinute | None = Field(
        default=None, description="Uploads and previews of one key or user."
    )
    agent_chats_per_minute: PerMinute | None = Field(
        default=None, description="Chats with one agent, whoever asks."
    )
    address_requests_per_minute: PerMinute | None = Field(
        default=None,
        description="Requests of all visitors of widgets at one IP address (/64 of IPv6).",
    )
    address_chats_per_minute: PerMinute | None = Field(
        default=None, description="Chats of all visitors of widgets at one IP address."
    )
    organization_requests_per_minute: PerMinute | None = Field(
        default=None, description="All requests of the organization."
    )
    open_streams: AtOnce | None = Field(
        default=None, description="Streams of one key, user or visitor at once."
    )
    organization_open_streams: AtOnce | None = Field(
        default=None, description="Streams of the organization at once."
    )


class RateLimits(Resource):
    """The limits that hold; null is no limit, as the organization `local` has none of its own."""

    requests_per_minute: int | None
    chats_per_minute: int | None
    searches_per_minute: int | None
    uploads_per_minute: int | None
    agent_chats_per_minute: int | None
    address_requests_per_minute: int | None
    address_chats_per_minute: int | None
    organization_requests_per_minute: int | None
    open_streams: int | None
    organization_open_streams: int | None
