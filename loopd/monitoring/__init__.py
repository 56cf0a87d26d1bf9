"""What people and machines look at: the live page, Prometheus, reports and sinks."""
