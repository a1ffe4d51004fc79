"""Knowledge bases, their documents, indexing and search."""
