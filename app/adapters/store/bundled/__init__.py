"""The embedded PostgreSQL: the wheel's binaries under a supervisor of our own."""

from app.adapters.store.bundled.cluster import (
    MAJOR_VERSION,
    Cluster,
    running_cluster,
    served_cluster,
)
from app.adapters.store.bundled.failure import EmbeddedPostgresFailed

__all__ = [
    "MAJOR_VERSION",
    "Cluster",
    "EmbeddedPostgresFailed",
    "running_cluster",
    "served_cluster",
]
