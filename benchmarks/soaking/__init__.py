"""Mixed traffic that goes on for long, and what the service keeps of it."""
