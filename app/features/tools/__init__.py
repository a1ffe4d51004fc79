"""What agents can do: tools, their kinds, and the one way in which they are called."""
