"""Owns the JSON schema of the configuration, for editors; must not check anything itself."""

from __future__ import annotations

import json
from pathlib import Path

from loopd.config.whole import Config

FILE = Path(__file__).with_name("schema.json")
"""Where the schema lies in the package, as ``docs/tools/reference.py`` wrote it."""


def schema_text() -> str:
    """The schema of the whole configuration, as JSON (draft 2020-12).

    It knows keys, types and limits; what two keys demand of each other only ``loopd check`` does.
    """
    schema = Config.model_json_schema()
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "loopd"}
    return json.dumps(about | {k: v for k, v in schema.items() if k != "title"}, indent=1) + "\n"
