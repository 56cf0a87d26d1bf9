"""The loop itself: steps, wiring, daemon."""
