"""The daemon's page: what it shows, who serves it, and what Prometheus reads."""
