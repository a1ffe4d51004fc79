"""Services whose tools may reach servers on loopback."""

from ipaddress import ip_network

import pytest

from app.core.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    allowed = (ip_network("127.0.0.0/8"),)
    return settings.model_copy(update={"outbound_allow_private_cidrs": allowed})
