"""Kinds of task: how an answer becomes a target and a prediction a suggestion."""
