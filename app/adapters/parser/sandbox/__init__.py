"""A process for each document, which can compute and answer and nothing else.

`process_sandbox` is the service's side and `child` the other one; `orders` is what they say to
each other.
"""
