"""The learner's work in pieces, as the workers of an engine do them."""
