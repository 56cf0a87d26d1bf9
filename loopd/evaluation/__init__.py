"""Metrics of a round and stopping criteria."""
