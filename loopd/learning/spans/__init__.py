"""Owns span labelling: character spans and tokens, the tagger, and how it is asked."""
