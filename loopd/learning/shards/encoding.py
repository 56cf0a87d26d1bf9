"""Owns how features are encoded on an engine, piece by piece; must not know what they are for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from loopd.compute.schedule import LOOK_SECONDS
from loopd.errors import ModelError
from loopd.learning.features.frozen import FeatureOptions, FrozenFeatures
from loopd.learning.features.store import FeatureStore
from loopd.learning.shards.recipe import FactoryRecipe

if TYPE_CHECKING:
    from loopd.learning.classifiers.backbone import Backbone

Pair = tuple[FeatureStore, FeatureStore]
"""Features of all layers and of the last one."""

FOLDER_SECONDS = 90.0
"""Within these a folder on NFS shows files that others wrote: by default it remembers for up to a
minute that a file was not there."""


@dataclass(frozen=True, eq=False)
class EncodingOrder:
    """What workers encode.

    Attributes:
        recipe: of a factory over the pool.
        options: which features; ``bf16`` is decided.
    """

    recipe: FactoryRecipe
    options: FeatureOptions

    @cached_property
    def features(self) -> FrozenFeatures:
        """Those of the worker."""
        return FrozenFeatures(self.recipe.context(), lambda: self._backbone, self.options)

    @cached_property
    def _backbone(self) -> Backbone:
        from loopd.learning.classifiers.backbone import Backbone

        return Backbone(self.recipe.section)


def encode(order: EncodingOrder, piece: tuple[int, int]) -> None:
    """Write the features of a piece of an intake."""
    order.features.encode_piece(*piece)


def _is_there(stores: Pair, piece: int) -> bool:
    return all(store.holds(piece) for store in stores)


def _soon(look: Callable[[], bool], interrupt: Callable[[], None]) -> bool:
    """Whether a look finds something within ``FOLDER_SECONDS``."""
    until = time.monotonic() + FOLDER_SECONDS
    while not look():
        if time.monotonic() > until:
            return False
        interrupt()
        time.sleep(LOOK_SECONDS)
    return True


def encode_missing(features: FrozenFeatures, stores: Sequence[Pair], *, bf16: bool) -> None:
    """Let an engine encode what is missing of all intakes.

    Args:
        features: of the process that waits; its tokens and its projection are on disk.
        stores: of each intake.
        bf16: whether the encoder multiplies in bf16.

    Raises:
        ModelError: a worker does not share the folder.
        Interrupted: a stop was asked for.
    """
    missing = [
        (intake, piece)
        for intake, pair in enumerate(stores)
        for piece in pair[0].pieces
        if not all(store.holds(piece) for store in pair)
    ]
    if len(missing) < 2:  # nothing to share out
        return
    context = features.context
    order = EncodingOrder(FactoryRecipe.of(context), replace(features.options, bf16=bf16))
    total = sum(len(stores[intake][0].rows_of(piece)) for intake, piece in missing)
    done = 0
    results = context.engine.run(encode, order, missing, context.interrupt)
    for (intake, piece), _ in zip(missing, results, strict=True):
        if not _soon(lambda: _is_there(stores[intake], piece), context.interrupt):  # noqa: B023
            folder = stores[intake][0].folder
            raise ModelError(
                f"features that a worker of the cluster wrote are not in {folder}",
                "run.dir must be in a folder that all machines of the cluster share",
            )
        done += len(stores[intake][0].rows_of(piece))
        context.progress("encoding", done, total)
