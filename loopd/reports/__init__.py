"""Tables and plots from the journal and the metrics log."""
