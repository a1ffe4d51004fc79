"""Clerk's compact permissions: three strings that together say what a member may do.

`fea` lists features, each with a scope before the colon (`o` the organization, `u` the user), `per`
lists permissions, and `fpm` has a bit mask for each of the organization's features, whose lowest
bit stands for the first permission.
https://clerk.com/docs/guides/sessions/session-tokens
"""

import re

_MASK = re.compile(r"[0-9]{1,40}")


def decoded(fea: str, per: str, fpm: str) -> frozenset[str]:
    """The permissions as `feature:permission`. What is malformed grants nothing."""
    features = [name for scope, name in map(_split, _listed(fea)) if "o" in scope]
    permissions = _listed(per)
    granted: set[str] = set()
    masks = [mask.strip() for mask in fpm.split(",")]
    for feature, mask in zip(features, masks, strict=False):
        bits = int(mask) if _MASK.fullmatch(mask) and mask.isascii() else 0
        granted.update(
            f"{feature}:{permission}"
            for place, permission in enumerate(permissions)
            if bits >> place & 1
        )
    return frozenset(granted)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _split(entry: str) -> tuple[str, str]:
    scope, _, name = entry.partition(":")
    return scope, name
