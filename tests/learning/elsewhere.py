"""A device that is not the CPU, for machines that have none: torch's `meta` device, made strict.

Tensors on `meta` have shapes and no numbers. torch lets some operations mix them with tensors on
the CPU that would fail on a GPU; here each operation that mixes devices fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

NAME = "meta"

aten = torch.ops.aten
CROSSING = (aten._to_copy, aten.to, aten.copy_)
"""Operations whose purpose is to move."""

LOOKING = (aten._local_scalar_dense, aten.item, aten.is_nonzero)
"""Operations that look at one number."""

PRODUCTS = (aten.mm, aten.addmm, aten.linear)


class MixedDevicesError(Exception):
    """An operation that a GPU would have refused."""


class Elsewhere(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses what a GPU refuses; what comes back to the CPU is zeros.

    Attributes:
        dtypes: of the matrix products that ran.
        planned: whether attention that ran might have been cuDNN's, which plans each shape.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtypes: set[torch.dtype] = set()
        self.planned: set[bool] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, options)) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors if tensor.dim()}
        if func.overloadpacket in CROSSING:
            return _moved(func, args, options)
        if func.overloadpacket in LOOKING and tensors[0].device.type == NAME:
            return False
        if len(devices) > 1:
            raise MixedDevicesError(f"{func}: {sorted(devices)}")
        if NAME in devices and "scaled_dot_product" in str(func):
            self.planned.add(torch.backends.cuda.cudnn_sdp_enabled())  # type: ignore[no-untyped-call]
        if NAME in devices and func.overloadpacket in PRODUCTS:
            self.dtypes.add(tensors[-1].dtype)
        return func(*args, **options)


def _moved(func: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if func.overloadpacket is aten.copy_:
        goal, source = args[0].device, args[1]
    else:
        source, *named = (*args, *options.values())
        goal = next((device for device in named if isinstance(device, torch.device)), None)
    if source.device.type == NAME and goal is not None and goal.type == "cpu":
        return torch.zeros(source.shape, dtype=options.get("dtype") or source.dtype)
    return func(*args, **options)
