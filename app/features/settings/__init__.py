"""What an organization sets for itself: limits and defaults, each with one of the service's own."""
