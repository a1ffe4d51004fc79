"""The embedded PostgreSQL: the wheel's binaries under a supervisor of our own."""

from app.adapters.store.bundled.cluster import Cluster, running_cluster
from app.adapters.store.bundled.failure import EmbeddedPostgresFailed

__all__ = ["Cluster", "EmbeddedPostgresFailed", "running_cluster"]
