"""What every layer may use: the standard library and pydantic, nothing of ours above it."""
