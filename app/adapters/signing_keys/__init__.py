"""Where the keys of session tokens come from."""
