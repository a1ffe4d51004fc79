"""Where a call would send something: only where the visitor or the agent's owner has pointed."""
