"""Where data is kept. Order is precedence; the embedded one claims always and is last."""

from app.core.registry import Registry, load
from app.ports.store import StoreAdapter

STORES: Registry[StoreAdapter] = Registry(
    "store",
    load(
        __name__,
        "STORE",
        (
            "postgres",
            "embedded",
        ),
    ),
)
