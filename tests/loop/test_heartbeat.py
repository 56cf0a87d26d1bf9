"""A daemon gives signs of life while it trains, not only when the loop turns."""

from __future__ import annotations

from pathlib import Path

from loopd.annotation.memory_store import MemoryStore
from loopd.config_file import parse_config
from loopd.loop.data_sets import DataSets
from loopd.loop.stop import Stop
from loopd.loop.tools import build_tools
from loopd.storage.heartbeat import SECONDS, Heartbeat
from loopd.storage.run_folder import HEARTBEAT_NAME
from loopd.tasks.registry import build_task
from tests.loop.conftest import LABELS, gold, make_pool


def test_the_sign_moves_during_a_fit(tmp_path: Path) -> None:
    settings = {
        "run": {"dir": "run"},
        "task": {"labels": list(LABELS)},
        "pool": {"path": "unused.csv"},
        "classifier": {"name": "tfidf"},
    }
    config = parse_config(settings, tmp_path)
    config.run.dir.mkdir(parents=True)
    moments = iter(range(0, 10_000, int(SECONDS) + 1))
    heart = Heartbeat(config.run.dir, lambda: float(next(moments)))
    pool, store = make_pool(12), MemoryStore(build_task(config.task))
    data = DataSets(pool, None, {})
    learner = build_tools(config, data, Stop(), store=store, beat=heart.beat).learner
    sign = config.run.dir / HEARTBEAT_NAME
    assert not sign.exists()
    learner.fit(0, {record.id: gold(pool, record.id) for record in pool})
    assert sign.exists()
