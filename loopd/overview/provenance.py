"""Owns what identifies a run to people and tools; must not hold a secret, and changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from loopd.config import Config
from loopd.events import RunStarted
from loopd.log import names_secret
from loopd.machine import State

HIDDEN = "(left out)"


def settings_in_force(config: Config) -> dict[str, Any]:
    """The whole configuration as plain values, the defaults included and secrets left out."""
    cleaned: dict[str, Any] = _without_secrets(config.model_dump(mode="json"))
    return cleaned


def _without_secrets(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return HIDDEN if names_secret(name) else [_without_secrets(item) for item in value]
    return HIDDEN if value is not None and names_secret(name) else value


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting as (dotted key, value as JSON or as bare text); those without a value not."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{prefix}{name}", shown


def identity(started: RunStarted) -> str:
    """12 hexadecimal digits that are a run's own, also after its journal was rebuilt."""
    parts = (
        started.dataset_id,
        started.pool_fingerprint,
        started.test_fingerprint,
        started.seed,
        started.labels,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def origin(state: State, config: Config) -> dict[str, str]:
    """Seed, fingerprints, dataset, model and versions of a run, by name; empty before it began."""
    started = state.started
    if started is None:
        return {}
    last = state.trained[max(state.trained)].model_id if state.trained else "none yet"
    return {
        "run": identity(started),
        "seed": str(started.seed),
        "config_digest": state.config_digest,
        "pool_fingerprint": started.pool_fingerprint,
        "test_fingerprint": started.test_fingerprint or "no test set",
        "dataset_id": started.dataset_id,
        "dataset": f"{config.argilla.workspace}/{config.argilla.dataset}",
        "argilla": config.argilla.url,
        "last_model": last,
        **{f"version.{name}": version for name, version in started.versions.items()},
    }
