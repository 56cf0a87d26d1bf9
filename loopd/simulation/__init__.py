"""Simulated annotators and the demonstration."""
