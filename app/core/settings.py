"""The only module that reads the environment."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.addresses import (
    issuer_address,
    issuer_of,
    postgres_address,
    redis_address,
    sentry_address,
    web_address,
    web_origin,
)
from app.core.incomplete_settings import CLERK_SECRET_NAMES, half_of_clerk, part_of_supabase
from app.core.listed import Networks, Ports, Secrets, Texts
from app.core.misspelt_settings import misspelt
from app.core.provider_variables import provider_names, unfit_base_urls
from app.core.railway import found_on_railway, unfit_for_railway
from app.core.setting_words import in_words
from app.core.signing import canonical_secret


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
    supabase_bucket: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$"
    )
    redis_url: SecretStr | None = None
    clerk_issuer: str | None = None
    clerk_publishable_key: str | None = None
    clerk_authorized_parties: Texts = ()
    clerk_webhook_secret: Secrets = ()
    default_model_id: str = "local"
    embedding_model_id: str | None = None
    rerank_model_id: str | None = None
    encryption_key: Secrets = ()
    cors_origins: Texts = ()
    trusted_proxies: Networks = ()
    client_address_header: str = Field(default="X-Forwarded-For", pattern=r"^[A-Za-z0-9-]{1,64}$")
    # Credentials that are not valid, from one address in a minute.
    auth_failures_per_minute: int = Field(default=20, ge=1, le=1_000_000)
    # Below the lease of an idempotency key (`web/idempotency.py`).
    web_concurrency: int = Field(default=1, ge=1, le=1024)
    request_timeout_seconds: int = Field(default=30, ge=1, le=50)
    outbound_allow_private_cidrs: Networks = ()
    outbound_allow_ports: Ports = ()
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None
    otel_service_name: str = "agentes-de-conversao"
    sentry_dsn: SecretStr | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None

    # What providers name for themselves: <PROVIDER>_API_KEY and <PROVIDER>_BASE_URL.
    provider_variables: Mapping[str, SecretStr] = Field(default_factory=dict, exclude=True)
    # Names that are no settings, with those that they are perhaps meant for.
    misspelt: Mapping[str, str] = Field(default_factory=dict, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _reached_at_its_port(cls, given: dict[str, object]) -> dict[str, object]:
        """Without a public address, it is this machine's at the port that is served."""
        port = str(given.get("port", ""))
        is_known = bool(given.get("public_url")) or re.fullmatch("[1-9][0-9]{0,4}", port) is None
        if is_known or int(port) > 65535:
            return given
        return given | {"public_url": f"http://127.0.0.1:{port}"}

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

    @field_validator("clerk_issuer")
    @classmethod
    def _issuer(cls, url: str | None) -> str | None:
        return issuer_address(url) if url else None

    @field_validator("clerk_webhook_secret")
    @classmethod
    def _signing(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            canonical_secret(key.get_secret_value())
        return keys

    @field_validator("clerk_publishable_key")
    @classmethod
    def _publishable(cls, key: str | None) -> str | None:
        if key:
            issuer_of(key)
        return key

    @field_validator("cors_origins", "clerk_authorized_parties")
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
        if url:
            redis_address(url.get_secret_value())
        return url

    @field_validator("sentry_dsn")
    @classmethod
    def _sentry(cls, dsn: SecretStr | None) -> SecretStr | None:
        if dsn:
            sentry_address(dsn.get_secret_value())
        return dsn

    @field_validator("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        return web_address(url) if url else None

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

    @property
    def sends_traces(self) -> bool:
        """Whether OpenTelemetry's own variables name a place for traces."""
        return bool(self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint)

    @property
    def session_issuer(self) -> str | None:
        """The Clerk instance whose session tokens are taken; None without Clerk."""
        if self.clerk_issuer is None and self.clerk_publishable_key:
            return issuer_of(self.clerk_publishable_key)
        return self.clerk_issuer

    def provider_variable(self, name: str) -> str | None:
        """The value of `<PROVIDER>_API_KEY` or `<PROVIDER>_BASE_URL`; None where it is unset."""
        secret = self.provider_variables.get(name)
        return secret.get_secret_value() if secret else None


_NAMES = {name.upper() for name, field in Settings.model_fields.items() if not field.exclude}


def load_settings(
    environment: Mapping[str, str] | None = None, *, providers: Collection[str] = ()
) -> Settings:
    """Settings from the environment; of variables that providers name, those of `providers`.

    Raises:
        SettingsInvalid: with every bad variable and what it should be; values are not repeated.
    """
    variables = os.environ if environment is None else environment
    variables = {**found_on_railway(variables), **{k: v for k, v in variables.items() if v}}
    problems = unfit_base_urls(variables, providers) + half_of_clerk(variables)
    problems += unfit_for_railway(variables)
    problems += part_of_supabase(variables)
    fields: dict[str, object] = {
        name.lower(): variables[name] for name in _NAMES if variables.get(name)
    }
    given = ",".join(variables[name] for name in CLERK_SECRET_NAMES if variables.get(name))
    if given:
        fields["clerk_webhook_secret"] = given
    secrets = {
        name: SecretStr(value)
        for name, value in variables.items()
        if value and name.endswith(("_API_KEY", "_BASE_URL"))
    }
    known = {*_NAMES, *CLERK_SECRET_NAMES, *provider_names(providers)}
    fields |= {"provider_variables": secrets, "misspelt": misspelt(variables, known)}
    try:
        settings = Settings.model_validate(fields)
    except ValidationError as error:
        problems += [
            f"{str(item['loc'][0]).upper()}: {in_words(item)}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        settings = None
    if problems or settings is None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise SettingsInvalid(f"These environment variables need attention:\n{listed}")
    return settings


def tell_libraries(**variables: str) -> None:
    """Set variables of this process that a library reads for itself."""
    os.environ.update(variables)


def child_environment(**overrides: str) -> dict[str, str]:
    """Our own environment for a child process; an empty override counts as not set."""
    return {**os.environ, **overrides}
