"""The embedded Argilla server: one process, no Docker, no Elasticsearch, no hand-started Redis.

Owns everything between `loopd serve` and a healthy Argilla URL; must not know about runs, models or
learners. Importing it is cheap: argilla_server is only imported once a server really starts.
"""

from loopd.embedded_argilla.embedded import EmbeddedServer, create_annotator
from loopd.embedded_argilla.options import Account, ServerInfo, ServerOptions
from loopd.embedded_argilla.process import serve

__all__ = [
    "Account",
    "EmbeddedServer",
    "ServerInfo",
    "ServerOptions",
    "create_annotator",
    "serve",
]
