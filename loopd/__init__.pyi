from loopd.config_file import load_config as load_config
from loopd.errors import LoopdError as LoopdError
from loopd.interactive.learner import InteractiveLearner as Learner
from loopd.interactive.pool import TextPool as Pool
from loopd.interactive.run import Run as Run
from loopd.interactive.run import open as open  # noqa: A004 - that is its name
from loopd.loop.daemon import run_daemon as run_daemon
from loopd.loop.stop import Stop as Stop

__all__ = ["Learner", "LoopdError", "Pool", "Run", "Stop", "load_config", "run_daemon"]

__version__: str
