"""Models: those that the service knows, those of the organization, and what they cost."""
