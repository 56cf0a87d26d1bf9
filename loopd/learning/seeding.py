"""Owns how one run seed becomes the seed of each step; must not draw anything itself."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def for_step(run_seed: int, round: int, purpose: str) -> int:  # noqa: A002 (the field's own word)
    """The seed of one step: the same for the same arguments on every machine, else unrelated.

    Args:
        run_seed: seed of the run.
        round: number of the batch.
        purpose: what is drawn, such as ``fit`` or ``query``.

    Returns:
        An integer in [0, 2**32), which every generator accepts.
    """
    digest = hashlib.sha256(f"{run_seed}/{round}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def rng(run_seed: int, round: int, purpose: str) -> np.random.Generator:  # noqa: A002
    """A numpy generator for one step."""
    return np.random.default_rng(for_step(run_seed, round, purpose))


def hashed(run_seed: int, purpose: str, ids: Iterable[str]) -> NDArray[np.float64]:
    """A number for each id that depends on nothing else: not on other ids, nor on their order.

    The numbers of different ids are independent and uniform, as far as anybody can tell.

    Args:
        run_seed: seed of the run.
        purpose: what is drawn.
        ids: of n texts.

    Returns:
        (n,) numbers in [0, 1), the same on every machine.
    """
    start = hashlib.blake2b(f"{run_seed}/{purpose}/".encode(), digest_size=8)
    digests = bytearray()  # of millions of ids, so no list
    for id_ in ids:
        digest = start.copy()
        digest.update(id_.encode("utf-8", "surrogatepass"))
        digests += digest.digest()
    # A double holds 53 bits exactly; all 64 could be rounded up to 1.
    whole = np.frombuffer(digests, dtype="<u8") >> 11
    return whole.astype(np.float64) * 2.0**-53


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch inside, and put them back after.

    Library code (small-text's strategies, dropout) draws from these and takes no generator. torch
    is only touched where it is loaded already.
    """
    # NPY002 is right about our own draws; these lines exist for code that is not ours.
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with _torch_kept(seed):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


@contextlib.contextmanager
def _torch_kept(seed: int) -> Iterator[None]:
    if "torch" not in sys.modules:
        yield
        return
    import torch

    # Asking a GPU that nobody uses for its generator would take some of its memory.
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    used = torch.cuda.device_count() if started else 0
    with torch.random.fork_rng(devices=range(used)):
        torch.manual_seed(seed)
        yield
