"""The variables that providers name for themselves: `<PROVIDER>_API_KEY`, `<PROVIDER>_BASE_URL`."""

from collections.abc import Collection, Mapping

from app.core.addresses import web_address


def provider_names(providers: Collection[str]) -> list[str]:
    """What the variables of these providers are called."""
    return [f"{name.upper()}{end}" for name in providers for end in ("_API_KEY", "_BASE_URL")]


def unfit_base_urls(variables: Mapping[str, str], providers: Collection[str]) -> list[str]:
    """What is wrong with addresses of providers."""
    # Other programs have variables of such names too, so only those of providers are looked at.
    problems: list[str] = []
    for name in (f"{provider.upper()}_BASE_URL" for provider in providers):
        try:
            web_address(variables.get(name) or "http://unset")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return problems
