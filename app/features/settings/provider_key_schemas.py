"""Keys of providers as clients send them, and what they are shown of them."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from app.core.schemas import Body, Resource


def _usable_key(key: SecretStr) -> SecretStr:
    # It becomes a header's value.
    text = key.get_secret_value()
    if not 8 <= len(text) <= 500 or not text.isascii() or any(c <= " " for c in text):
        raise ValueError("must be 8 to 500 printable ASCII characters without spaces")
    return key


ProviderKey = Annotated[SecretStr, AfterValidator(_usable_key)]


class ProviderKeysUpdate(Body):
    """Keys of the organization's own; null deletes one, so that the service's holds again."""

    anthropic: ProviderKey | None = None
    google: ProviderKey | None = None
    mistral: ProviderKey | None = None
    openai: ProviderKey | None = None


class ProviderKeySet(Resource):
    """Whether there is a key of the organization's own; nobody can read it."""

    is_set: bool = Field(alias="set")
    last4: str | None = None


class ProviderKeysSet(Resource):
    """By provider."""

    anthropic: ProviderKeySet
    google: ProviderKeySet
    mistral: ProviderKeySet
    openai: ProviderKeySet
