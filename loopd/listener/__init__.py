"""What Argilla 2 took away: call a function when a condition on a dataset's records holds.

Owns nothing itself; the daemon does not use this package, but shares its trigger and its patience
with it (:class:`~loopd.annotation.watcher.Pace`, :class:`~loopd.loop.retry_loop.RetryLoop`).
"""

from loopd.listener.filters import DefinitionError
from loopd.listener.firing import Context, Search
from loopd.listener.listening import Listener, listener

__all__ = ["Context", "DefinitionError", "Listener", "Search", "listener"]
