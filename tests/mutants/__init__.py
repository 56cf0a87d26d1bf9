"""Faults that are planted one after the other, to see whether the quick tests notice."""
