"""Owns the names of what lies in a run's folder; must not read or write any of it."""

from __future__ import annotations

JOURNAL_NAME = "journal.sqlite"
"""All events: the only file that nothing can make again."""

LOCK_NAME = "daemon.lock"
"""Held by the daemon that works on the run."""

HEARTBEAT_NAME = "heartbeat"
"""Touched while the daemon lives."""

RUN_ID_NAME = "run.id"
"""Marks the run's dataset in Argilla as its own."""

GUIDELINES_NAME = "guidelines.md"
"""The guidelines that the run wrote to Argilla last: only those may it replace."""

PEOPLE_NAME = "people.json"
"""Names of accounts, which Argilla forgets with the account."""

POOL_FOLDER = "pool"
"""The texts of the pool, by intake."""

INBOX_FOLDER = "inbox"
"""Texts that ``loopd add`` has left for the daemon."""

FETCHED_FOLDER = "fetched"
"""Files of a pool at a URL, while they are read."""

FETCHING_FOLDER = ".fetching"
"""The same while they are on their way, in a folder for each time."""

SOURCES_NAME = "sources.json"
"""In ``pool``: which files the texts were read from, and what these looked like."""

WITHDRAWN_NAME = "withdrawn.json"
"""In ``pool``: by what texts are known again that were withdrawn."""

CACHE_FOLDER = "cache"
"""Models and features, which can be made again, in the folders below."""

MODELS_FOLDER, FOLDS_FOLDER = "models", "folds"
"""Trained models, and probabilities of models that did not see the text."""

TOKENS_FOLDER, FEATURES_FOLDER = "tokens", "features"
"""Texts as tokens and as vectors, by what they were made with."""

METRICS_NAME = "metrics.jsonl"
"""The metrics log: a row for each round."""

CSV_NAME = "metrics.csv"
"""The same as a table, if ``sinks.csv`` asks for it."""

CURVE_NAME = "learning_curve.png"
"""The measure over the labels."""

PAGE_NAME = "dashboard.url"
"""Address of the page, while the daemon serves it."""

ERRORS_NAME = "errors.json"
"""How often the run has ended with which error."""

REPORT_NAME = "report.html"
"""What ``loopd report`` writes."""
