"""Forms that agents show in a conversation, and what visitors send with them."""
