"""Leads: people who left their details in a conversation, or were entered by hand."""
