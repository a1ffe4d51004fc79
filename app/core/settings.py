"""The only module that reads the environment."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.addresses import postgres_address, web_address, web_origin

# Later versions serve these; taking them in silence would put data where nobody expects it.
NOT_SERVED_YET = {
    "CLERK_ISSUER": "Requests are made with the API key of the organization `local`.",
    "CLERK_PUBLISHABLE_KEY": "Requests are made with the API key of the organization `local`.",
}


class SettingsInvalid(Exception):
    """Some settings are not valid."""


class Settings(BaseSettings):
    """All settings, each optional. Lists are comma-separated."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    host: str = "0.0.0.0"
    port: int = Field(default=8000, ge=0, le=65535)
    drain_seconds: int = Field(default=5, ge=0, le=10)
    data_dir: Path = Path(".data")
    public_url: str = "http://127.0.0.1:8000"
    database_url: SecretStr | None = None
    supabase_url: str | None = None
    supabase_service_key: SecretStr | None = None
    redis_url: SecretStr | None = None
    default_model_id: str = "local"
    encryption_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None

    # What providers name for themselves: <PROVIDER>_API_KEY and <PROVIDER>_BASE_URL.
    provider_variables: Mapping[str, SecretStr] = Field(default_factory=dict, exclude=True)

    @field_validator("encryption_key", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("encryption_key")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < 32 for key in keys):
            raise ValueError(
                "each key needs at least 32 characters, e.g. from `openssl rand -hex 32`"
            )
        return keys

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, url: str) -> str:
        return web_address(url)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(web_origin(origin) for origin in origins)

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url:
            postgres_address(url.get_secret_value())
        return url

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not _is_redis(url.get_secret_value()):
            raise ValueError("must be like redis://host:6379/0, rediss://… or unix:///path")
        return url

    @field_validator("supabase_url")
    @classmethod
    def _encrypted(cls, url: str | None) -> str | None:
        """A key goes there with each call, so it goes encrypted or does not leave this machine."""
        if url is None:
            return None
        address = urlsplit(url)
        is_local = address.hostname in ("127.0.0.1", "::1", "localhost")
        if not address.hostname or address.scheme not in ("https", "http"):
            raise ValueError("must begin with https://")
        if address.scheme == "http" and not is_local:
            raise ValueError("must begin with https://; http:// is for this machine only")
        return url.rstrip("/")

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    def provider_variable(self, name: str) -> str | None:
        """The value of `<PROVIDER>_API_KEY` or `<PROVIDER>_BASE_URL`; None where it is unset."""
        secret = self.provider_variables.get(name)
        return secret.get_secret_value() if secret else None


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what refuses one that is no number.
        where = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in ("redis", "rediss", "unix") and bool(where)


def load_settings(
    environment: Mapping[str, str] | None = None, *, providers: Collection[str] = ()
) -> Settings:
    """Settings from the environment; of variables that providers name, those of `providers`.

    Raises:
        SettingsInvalid: with every bad variable and what it should be; values are not repeated.
    """
    variables = os.environ if environment is None else environment
    problems = [
        f"{name}: this version does not serve it. {advice}"
        for name, advice in NOT_SERVED_YET.items()
        if variables.get(name)
    ]
    problems += _unfit_base_urls(variables, providers)
    if bool(variables.get("SUPABASE_URL")) != bool(variables.get("SUPABASE_SERVICE_KEY")):
        problems.append("SUPABASE_URL, SUPABASE_SERVICE_KEY: set both, or neither.")
    fields = {
        name: variables[name.upper()]
        for name in Settings.model_fields
        if variables.get(name.upper())
    }
    secrets = {
        name: SecretStr(value)
        for name, value in variables.items()
        if value and name.endswith(("_API_KEY", "_BASE_URL"))
    }
    try:
        settings = Settings.model_validate({**fields, "provider_variables": secrets})
    except ValidationError as error:
        problems += [
            f"{str(item['loc'][0]).upper()}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        settings = None
    if problems or settings is None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise SettingsInvalid(f"These environment variables need attention:\n{listed}")
    return settings


def _unfit_base_urls(variables: Mapping[str, str], providers: Collection[str]) -> list[str]:
    # Other programs have variables of such names too, so only those of providers are looked at.
    problems: list[str] = []
    for name in (f"{provider.upper()}_BASE_URL" for provider in providers):
        try:
            web_address(variables.get(name) or "http://unset")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return problems


def child_environment(**overrides: str) -> dict[str, str]:
    """Our own environment for a child process; an empty override counts as not set."""
    return {**os.environ, **overrides}
