"""What happened: numbered facts, as a live stream and as history."""
