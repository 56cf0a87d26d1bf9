"""Owns what other tools' files of annotations mean, one module for each family of files."""
