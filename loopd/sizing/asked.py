"""Owns turning options and a configuration into what a plan is asked for; must not calculate it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from loopd.config import ClassifierSection, Config
from loopd.data.reading import read_pool
from loopd.data.remote_files import brought_here
from loopd.errors import ConfigError
from loopd.learning.features.windows import MEAN
from loopd.sizing.encoder_shape import of_shape, shape_of
from loopd.sizing.workload import (
    CLASSIFIERS,
    FORMATS,
    Encoder,
    Machines,
    Workload,
    bytes_of_tokens,
    tokens_of_words,
)
from loopd.storage.pool_table import PoolTable

SAMPLE = 1000
"""Texts of a pool whose length is looked at."""

GIB = 2**30


@dataclass(frozen=True)
class PlanOptions:
    """What the command line says; ``None`` and 0 stand for what it does not say.

    Attributes:
        texts: of the pool.
        words: of a text.
        tokens: of a text.
        model: packaged, a folder or a hub name.
        layers: of an encoder that is described instead.
        width: of its states.
        classifier: one of ``workload.CLASSIFIERS``.
        candidates: texts that a fine-tuned model looks at each round.
        labels: at the end.
        batch: labels of a round.
        format: of the table.
        nodes: machines.
        gpus: of all nodes together.
        threads: of each node.
        memory: GiB of each node.
    """

    texts: int | None = None
    words: float | None = None
    tokens: float | None = None
    model: str | None = None
    layers: int | None = None
    width: int | None = None
    classifier: str | None = None
    candidates: int | None = None
    labels: int | None = None
    batch: int | None = None
    format: str | None = None
    nodes: int = 1
    gpus: int = 0
    threads: int | None = None
    memory: float | None = None


def machines_of(options: PlanOptions, config: Config | None = None) -> Machines:
    """What there is to work with; what is not said is as on this machine."""
    threads = options.threads or (config.classifier.threads if config is not None else None)
    memory = _memory() if options.memory is None else options.memory * GIB
    return Machines(options.nodes, options.gpus, threads or cores(), memory)


def workload_of(options: PlanOptions, config: Config | None = None) -> Workload:
    """The run that is asked for: what is not said is the configuration's, or usual.

    Raises:
        ConfigError: it is not said how many texts there are, or the classifier is not known.
        ModelError: the shape of the model is not known.
        DataError: the pool of the configuration cannot be read.
    """
    work = Workload(options.texts or 1) if config is None else _configured(config, options)
    if config is None and options.texts is None:
        raise ConfigError("how many texts?", "say `--texts 1e6`, or name a configuration")
    work = replace(work, encoder=_encoder(options, work.encoder))
    if options.words is not None or options.tokens is not None:
        tokens = options.tokens or tokens_of_words(options.words or 0)
        section = config.classifier if config is not None else ClassifierSection()
        read = _read(tokens, section)
        work = replace(work, tokens=read, text_bytes=bytes_of_tokens(tokens))
    if options.candidates is not None:
        work = replace(work, candidates=options.candidates, candidate_tokens=None)
    said = {
        name: value
        for name in ("classifier", "labels", "batch", "format")
        if (value := getattr(options, name)) is not None
    }
    return replace(work, **said)


def _encoder(options: PlanOptions, configured: Encoder) -> Encoder:
    if options.layers is not None and options.width is not None:
        return of_shape(options.layers, options.width)
    if options.layers is not None or options.width is not None:
        raise ConfigError("one of --layers and --width is missing", "give both, or --model")
    return configured if options.model is None else shape_of(options.model)


def _configured(config: Config, options: PlanOptions) -> Workload:
    section = config.classifier
    if config.task.type == "spans":
        raise ConfigError(
            "what spans cost has not been measured", "ask without a configuration: `--texts 1e6`"
        )
    named = options.classifier or {"auto": "transformer"}.get(section.name, section.name)
    if named not in CLASSIFIERS:
        raise ConfigError(
            f"what {named} costs has not been measured",
            f"see what another would take: `--classifier {CLASSIFIERS[0]}`",
        )
    shape_is_said = options.model is not None or options.layers is not None
    usual = Workload(options.texts or 1)
    work = replace(
        usual,
        encoder=usual.encoder if shape_is_said else shape_of(section.model),
        classifier=named,
        candidates=section.candidates,
        candidate_tokens=section.candidate_limit,
        dimensions=_dimensions(section),
        classes=len(config.task.labels),
        batch=config.queue.batch_size,
        format=_format(config),
    )
    if options.texts is not None and (options.words or options.tokens):
        return work
    count, sample = texts_of(config)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in sample) / len(sample)
    tokens = tokens_of_words(sum(len(text.split()) for text in sample) / len(sample))
    work = replace(work, texts=options.texts or count)
    return replace(work, text_bytes=size, tokens=_read(tokens, section))


def _read(tokens: float, section: ClassifierSection) -> float:
    """Tokens that the model reads of a text of so many."""
    return tokens if section.windows == MEAN else min(tokens, section.max_tokens)


def texts_of(config: Config) -> tuple[int, Sequence[str]]:
    """How many texts the pool has, and some of them.

    A run that has begun says so without its texts being read; otherwise the whole table is read.

    Raises:
        ConfigError: the pool is in Argilla.
        DataError: it cannot be read.
    """
    stored = list(PoolTable(config.run.dir).stored())
    if stored:
        first = stored[0]
        return sum(map(len, stored)), list(first.texts(0, min(len(first), SAMPLE)))
    if config.pool.argilla is not None:
        raise ConfigError(
            "the pool is in Argilla, and the run has not read it",
            "say how many texts there are, and how long they are: `--texts 1e6 --words 15`",
        )
    with brought_here(config.pool) as section:
        pool, _ = read_pool(section, labels=None, kind=config.task.type)
    return len(pool), [record.text for record in islice(pool, SAMPLE)]


def _dimensions(section: ClassifierSection) -> int:
    said = section.options.get("dimensions", Workload.dimensions)
    return said if isinstance(said, int) and said > 0 else 10**9


def _format(config: Config) -> str:
    path = config.pool.path
    suffix = "" if path is None else path.name.removesuffix(".gz").rpartition(".")[2]
    return suffix if suffix in FORMATS else FORMATS[0]


def cores() -> int:
    """Of this process."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _memory() -> float | None:
    """Bytes of this machine; ``None`` where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
