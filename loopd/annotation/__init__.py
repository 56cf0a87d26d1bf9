"""The annotation server as the loop sees it."""
