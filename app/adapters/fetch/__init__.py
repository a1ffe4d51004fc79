"""Requests to addresses that users give, through one guarded client."""
