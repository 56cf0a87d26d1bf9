"""Reading pools and test sets."""
