"""Calls of an HTTP API: how the request is put together and what its answer says."""
