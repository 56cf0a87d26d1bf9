"""The metrics log: how a run writes it, how it is read, said and drawn."""
