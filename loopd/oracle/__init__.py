"""The oracle: simulated people who answer by known labels over Argilla's own API."""
