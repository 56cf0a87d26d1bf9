"""The search engine that answers from Argilla's own tables; importing this registers it.

Needs argilla_server, which must have been imported (with its environment set) before.
"""

from loopd.embedded_argilla.search.engine import LoopdSearchEngine

__all__ = ["LoopdSearchEngine"]
