"""Settings that belong together, of which some without the others are told as a mistake."""

from collections.abc import Mapping

# Clerk's own name for its webhooks' secret, beside ours.
CLERK_SECRET_NAMES = ("CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET")


def half_of_clerk(variables: Mapping[str, str]) -> list[str]:
    """Half a configuration would leave doors open that somebody believes are shut."""
    issuer, key = variables.get("CLERK_ISSUER"), variables.get("CLERK_PUBLISHABLE_KEY")
    rest = [
        name for name in ("CLERK_AUTHORIZED_PARTIES", *CLERK_SECRET_NAMES) if variables.get(name)
    ]
    if rest and not issuer and not key:
        return [f"{', '.join(rest)}: set CLERK_ISSUER or CLERK_PUBLISHABLE_KEY as well."]
    return []


def part_of_supabase(variables: Mapping[str, str]) -> list[str]:
    """A key without its address, or a bucket without its project, would go unused."""
    problems: list[str] = []
    if bool(variables.get("SUPABASE_URL")) != bool(variables.get("SUPABASE_SERVICE_KEY")):
        problems.append("SUPABASE_URL, SUPABASE_SERVICE_KEY: set both, or neither.")
    if variables.get("SUPABASE_BUCKET") and not variables.get("SUPABASE_URL"):
        problems.append("SUPABASE_BUCKET: set SUPABASE_URL and SUPABASE_SERVICE_KEY as well.")
    return problems
