"""Figures from what was said, and the ledger of what it brought."""
