"""Owns what every benchmark says of the machine and how it writes its figures."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "small-text", "scikit-learn", "numpy")


def described() -> dict[str, Any]:
    """Processor, cores, GPU, versions and time."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "gpu": gpu(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def gpu() -> dict[str, Any] | None:
    """The GPU that torch would use: name, capability, memory and CUDA; ``None`` without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    card = torch.cuda.get_device_properties(0)
    return {
        "name": card.name,
        "capability": f"{card.major}.{card.minor}",
        "memory, MiB": card.total_memory // 2**20,
        "multiprocessors": card.multi_processor_count,
        "cuda": torch.version.cuda or f"hip {torch.version.hip}",
    }


def write(name: str, figures: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write a benchmark's figures as JSON under ``benchmarks/results``."""
    path = (folder or RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return path


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of a call."""
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def matmul_peak(
    bf16: bool,
    *,
    packed: bool = False,
    sizes: tuple[int, ...] = (1024, 2048, 4096),
    tries: int = 5,
    device: str = "cpu",
) -> float:
    """The most GFLOP/s that torch reaches on square matrices, on all its threads or a GPU.

    Args:
        bf16: in bfloat16 instead of float32.
        packed: by oneDNN with the right matrix laid out for it before, instead of by
            ``torch.matmul``, which is MKL's in float32 and slow on processors of other makers.
        sizes: of the matrices.
        tries: of each; the best counts.
        device: where; on others than the CPU never packed.
    """
    import torch

    kind, best = (torch.bfloat16 if bf16 else torch.float32), 0.0
    for size in sizes:
        left, right = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
        multiply = partial(torch.matmul, left, right)
        if packed:
            right = torch.ops.mkldnn._reorder_linear_weight(right)
            multiply = partial(
                torch.ops.mkldnn._linear_pointwise, left, right, None, "none", [], ""
            )
        multiply()
        _finished(multiply, device)
        for _ in range(tries):
            seconds, _ = timed(partial(_finished, multiply, device))
            best = max(best, 2 * size**3 / seconds / 1e9)
    return best


def _finished(action: Callable[[], Any], device: str) -> None:
    """Act, and wait for the GPU."""
    import torch

    action()
    if device != "cpu":
        torch.cuda.synchronize()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
