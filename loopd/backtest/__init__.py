"""Backtests: arms of several seeds on labelled data, compared."""
