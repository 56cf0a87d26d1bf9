"""What Python programs and notebooks use: runs as data frames, and a learner without a server."""
