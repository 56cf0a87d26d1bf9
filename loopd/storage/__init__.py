"""Durable state of a run: the journal, small files and the lock."""
