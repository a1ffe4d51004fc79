"""Agents: what answers, how it is configured, and every version it had."""
