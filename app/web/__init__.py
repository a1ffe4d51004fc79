"""The HTTP edge that every room shares."""
