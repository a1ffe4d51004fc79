"""What holds for an organization, as every room and every request reads it."""
