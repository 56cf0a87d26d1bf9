"""A listener as a process of its own: it says how many records it was called with, and ends."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from loopd.annotation.http_client import front_of
from loopd.config_file import load_config
from loopd.credentials import api_key


def main() -> None:
    """Listen on the dataset of the configuration that is the last argument."""
    warnings.simplefilter("ignore")  # the SDK warns of itself
    from loopd.listener import listener

    section = load_config(Path(sys.argv[-1])).argilla
    front = front_of(section)

    @listener(
        dataset=section.dataset,
        workspace=section.workspace,
        api_url=section.url,
        api_key=api_key(section),
        headers=dict(front.headers),
        ca_file=front.ca_file,
        client_cert=front.client_cert,
        filters=[("status", "==", "completed")],
        condition=lambda search: search.total > 0,
        execution_interval_in_seconds=0.2,
    )
    def heard(records, ctx):  # type: ignore[no-untyped-def]
        print(f"heard of {len(records)} records")  # noqa: T201
        ctx.stop()

    heard.run()


if __name__ == "__main__":
    main()
