"""Query strategies behind small-text's interface, by name."""
