"""Classifiers behind small-text's interface, by name."""
