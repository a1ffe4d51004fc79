"""The rights of one person: to be given what is kept of them, and to have it erased."""
