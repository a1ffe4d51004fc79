"""Where data is kept. Order is precedence; the embedded one claims always and is last.

With both DATABASE_URL and SUPABASE_URL set, DATABASE_URL is used: a direct connection is faster.
"""

from app.core.registry import Registry, load
from app.ports.store import StoreAdapter

STORES: Registry[StoreAdapter] = Registry(
    "store",
    load(
        __name__,
        "STORE",
        (
            "postgres",
            "supabase",
            "embedded",
        ),
    ),
)
