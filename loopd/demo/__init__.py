"""The demo: sample data, a server, a daemon and simulated people in one command."""
