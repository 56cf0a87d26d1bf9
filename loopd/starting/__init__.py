"""The entrance: from a file of texts to a configuration, and to the first open record."""
