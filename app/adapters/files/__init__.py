"""Where original files are kept."""
