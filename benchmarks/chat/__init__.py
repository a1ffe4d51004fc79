"""Parts of the chat benchmark: an upstream, bare relays, a driver, readings of /proc."""
