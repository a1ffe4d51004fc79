"""Implementations of the ports; only `app.container` imports them."""
