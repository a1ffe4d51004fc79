"""Agentes de Conversão API: creates, runs and measures conversational agents."""

__version__ = "2.0.0"
