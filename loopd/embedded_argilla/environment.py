"""The environment variables that make a stock argilla-server ours; must import no argilla
before they are set."""

from __future__ import annotations

import os
from collections.abc import Mapping

from loopd.embedded_argilla.addresses import ARGILLA_URL, DatabaseAddress, redis_address
from loopd.embedded_argilla.home import ServerHome

BUSY_TIMEOUT_SECONDS = 30

MOST_LABELS = 10_000
"""Options of a question; Argilla's own default is 500."""


def apply_environment(environment: Mapping[str, str]) -> None:
    """Set this process's environment for Argilla; it is read when argilla_server is imported.

    Argilla variables that are there already are dropped: one meant for a client, or for another
    server, must not change where this one keeps its data.
    """
    for name in [name for name in os.environ if name.startswith("ARGILLA_")]:
        del os.environ[name]
    os.environ.update(environment)


def forget_redis_password() -> None:
    """Take it out of Argilla's settings, which quote the address where Redis does not answer.

    To be called when argilla_server has been imported: its connection keeps the password.
    """
    from argilla_server.settings import settings

    settings.redis_url = redis_address(settings.redis_url).shown


def argilla_environment(
    home: ServerHome, auth_secret: str, redis_url: str, database: DatabaseAddress | None
) -> dict[str, str]:
    """Return the variables, by name (source: argilla_server.settings and .security.settings)."""
    return {
        "ARGILLA_HOME_PATH": str(home.path),
        **_database_environment(home, database),
        "ARGILLA_SEARCH_ENGINE": "loopd",
        "ARGILLA_REDIS_URL": redis_url,
        "ARGILLA_AUTH_SECRET_KEY": auth_secret,
        # Else a `.oauth.yaml` in whatever folder the server is started from would be obeyed.
        "ARGILLA_AUTH_OAUTH_CFG": str(home.path / "oauth.yaml"),
        "ARGILLA_CORS_ORIGINS": "[]",
        "ARGILLA_LABEL_SELECTION_OPTIONS_MAX_ITEMS": str(MOST_LABELS),
        "ARGILLA_SPAN_OPTIONS_MAX_ITEMS": str(MOST_LABELS),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _database_environment(home: ServerHome, database: DatabaseAddress | None) -> dict[str, str]:
    if database is not None:
        return {"ARGILLA_DATABASE_URL": ARGILLA_URL, **dict(database.environment)}
    return {
        "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{home.database}?check_same_thread=False",
        "ARGILLA_DATABASE_SQLITE_TIMEOUT": str(BUSY_TIMEOUT_SECONDS),
    }
