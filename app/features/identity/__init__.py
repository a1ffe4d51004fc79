"""Organizations, API keys, and who a credential belongs to."""
