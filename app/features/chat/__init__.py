"""Chat: runs that answer a message, and the streams that show them."""
