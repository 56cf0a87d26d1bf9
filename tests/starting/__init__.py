"""The entrance: from an installation and a file to the first open record."""
