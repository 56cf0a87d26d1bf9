"""Kinds of learning problems: how targets become numbers and predictions become targets."""
