"""What people do to a run from outside: check it, ask where it stands, recover it."""
