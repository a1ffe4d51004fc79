"""The numbering of committed facts."""
