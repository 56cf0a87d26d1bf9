"""Owns what classifiers learn from: tokens and vectors of texts, and where they lie on disk."""
