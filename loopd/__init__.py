"""loopd: a daemon that puts active learning into Argilla; this module holds only the version."""

__version__ = "0.1.0"
