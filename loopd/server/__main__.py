"""`python -m loopd.server`: the embedded server without the rest of loopd; parses flags, prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from loopd.errors import LoopdError
from loopd.server.options import ServerInfo, ServerOptions
from loopd.server.process import serve


def main() -> int:
    """Serve with the flags given; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loopd.server", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6900, help="0 takes any free port")
    parser.add_argument("--workspace", default="loopd")
    parser.add_argument("--log-file", type=Path, default=None)
    parser.add_argument("--allow-remote", action="store_true")
    options = ServerOptions(**vars(parser.parse_args()))
    try:
        serve(options, _print_info)
    except LoopdError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


def _print_info(info: ServerInfo) -> None:
    sys.stdout.write("\n".join(info.lines()) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
