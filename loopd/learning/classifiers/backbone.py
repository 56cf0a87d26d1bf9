"""Owns the pretrained encoder and its tokenizer: loading, device, threads; must not train.

Imports torch and transformers at once, so import this module only where they are needed.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import platform
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch
import transformers
from transformers.utils import logging as transformers_logging

from loopd.compute.threads import allowed_threads
from loopd.config import ClassifierSection
from loopd.errors import LoopdError, ModelError
from loopd.learning import seeding
from loopd.learning.classifiers.depths import weights_below
from loopd.learning.classifiers.source import locate
from loopd.learning.features.windows import CUT, MEAN, Specials, all_windows, head_and_tail

FEWEST_TOKENS = 4
"""A word between two special tokens, and one to spare."""

ABSENT = "it must be an encoder with safetensors weights: `packaged`, a folder or a hub name"


PROCESSORS = Path("/proc/cpuinfo")
AMD = "AuthenticAMD"

_REASONS = (
    (
        re.compile(r"couldn't connect|is not a local folder|offline", re.IGNORECASE),
        "it is no folder here, nor in the cache, and the hub does not give it",
    ),
    (re.compile(r"tokenizer", re.IGNORECASE), "its tokenizer cannot be read"),
    (re.compile(r"no file named|does not appear to have a file"), "a file of it is missing"),
)
"""What transformers says, and what of it helps."""

_COUNT_FROM_PADDING = ("roberta", "camembert", "longformer", "mpnet")
"""Encoders whose first position is the one behind the padding's index."""


class Backbone:
    """A pretrained encoder, loaded once; copies of it are fine-tuned.

    Args:
        section: model, most tokens, device and threads.

    Raises:
        ModelError: the model is not found or cannot be loaded, or the device does not exist.
    """

    def __init__(self, section: ClassifierSection) -> None:
        self.name, self._windows = section.model, section.windows
        self._below: dict[int, frozenset[str]] = {}
        self.device = device_of(section.device)
        torch.set_num_threads(section.threads or allowed_threads())
        source = locate(section.model)
        # Seeded: weights of layers that the file lacks (a pooler) are the same in every process.
        with quiet(), explained(section.model), seeding.seeded(0):
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                source, trust_remote_code=False
            )
            self._pristine = transformers.AutoModel.from_pretrained(
                source, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            ).eval()
            self.max_tokens = min(section.max_tokens, self._most_tokens())
            self.padding = int(self.tokenizer.pad_token_id or 0)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with special tokens, not padded.

        Cut to ``max_tokens``; where texts are read in several windows, all of these.
        """
        if self._windows == CUT:
            return self._ids(texts, truncation=True, max_length=self.max_tokens)
        fit = all_windows if self._windows == MEAN else head_and_tail
        return [fit(ids, self._specials, self.max_tokens) for ids in self.contents(texts)]

    def contents(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of whole texts without special tokens, however many these are."""
        return self._ids(texts, add_special_tokens=False, verbose=False)

    @property
    def room(self) -> int:
        """Tokens of a text that one window holds."""
        return self._specials.room(self.max_tokens)

    @property
    def window(self) -> int | None:
        """Tokens of a window where texts have several; ``None`` where all have one."""
        return self.max_tokens if self._windows == MEAN else None

    @cached_property
    def _specials(self) -> Specials:
        sample = ["a text"]
        return Specials.between(self._ids(sample)[0], self.contents(sample)[0])

    def _ids(self, texts: Sequence[str], **how: object) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(
            list(texts), return_attention_mask=False, return_token_type_ids=False, **how
        )["input_ids"]
        return ids

    @property
    def width(self) -> int:
        """Numbers of one state, d."""
        return int(self._pristine.config.hidden_size)

    @property
    def layers(self) -> int:
        """Layers behind the word embeddings."""
        return int(self._pristine.config.num_hidden_layers)

    def weights_below(self, layer: int) -> frozenset[str]:
        """Names of all weights below a layer; empty where these cannot stay as they are alone."""
        if layer not in self._below:
            ids = self.tokenize(["a text"])[0]
            self._below[layer] = weights_below(self._pristine, ids, layer)
        return self._below[layer]

    def copy(self) -> torch.nn.Module:
        """An encoder of its own, with the pretrained weights, on the device."""
        encoder: torch.nn.Module = copy.deepcopy(self._pristine).to(self.device)
        return encoder

    def describe(self) -> str:
        """Size and device in a few words."""
        size = sum(weight.numel() for weight in self._pristine.parameters()) / 1e6
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        return f"{self.name} ({size:.1f} M parameters, {self.device}{threads})"

    def _most_tokens(self) -> int:
        """What the tokenizer or the position embeddings allow (roberta-like ones keep two back)."""
        try:
            positions = self._pristine.config.max_position_embeddings or 10**6
        except AttributeError:  # relative positions have no end
            positions = 10**6
        kind = str(self._pristine.config.model_type)
        kept_back = 2 if any(name in kind for name in _COUNT_FROM_PADDING) else 0
        most = int(min(self.tokenizer.model_max_length, positions - kept_back))
        if most < FEWEST_TOKENS:
            raise ValueError(f"it takes {most} tokens")
        return most


def bf16_pays(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices faster than those in full precision."""
    if device.type == "cuda":
        return _cuda_has_bf16(device)
    if device.type != "cpu":
        return False
    try:
        amx = torch.cpu._is_amx_tile_supported()
        avx512 = torch.cpu._is_avx512_bf16_supported()
    except AttributeError:  # private in torch; no is always right
        return False
    return bool(amx or (avx512 and _is_amd()))


def _is_amd() -> bool:
    """Whether AMD made the processor.

    AVX512-BF16 alone doubles the speed of oneDNN's products on AMD's (Zen 4), while Intel's with
    AMX hidden by a hypervisor (Emerald Rapids) reach 0.6 of their speed in full precision.
    """
    try:
        return AMD in PROCESSORS.read_text(encoding="ascii", errors="replace")
    except OSError:  # not on macOS and Windows
        return AMD in platform.processor()


def _cuda_has_bf16(device: torch.device) -> bool:
    """Not torch's own answer alone: it counts GPUs that only emulate bf16, which slows them down.

    Source: NVIDIA's matrix units multiply bf16 from compute capability 8.0 (Ampere) on.
    """
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        return False
    return bool(torch.cuda.is_bf16_supported())


def _no_device(name: str) -> str:
    """Why there is none of that name, in our own words; empty where its driver knows better."""
    kind = name.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda", "mps", "xpu"):
        return "it is none of auto, cpu, cuda, cuda:N and mps"
    return "PyTorch sees no GPU" if kind == "cuda" and not torch.cuda.is_available() else ""


def device_of(name: str) -> torch.device:
    """The device that the settings name.

    Raises:
        ModelError: it cannot be used.
    """
    best = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(best if name == "auto" else name)
        # A kernel, not memory alone: a GPU may be there that this torch was not built for.
        torch.ones(1, device=device).add_(1).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = _no_device(name) or str(error).partition("\n")[0]
        hint = f"try device: {'cpu' if name == 'auto' else 'auto'}"
        raise ModelError(f"device {name!r} cannot be used: {reason}", hint) from None
    return device


@contextlib.contextmanager
def explained(model: str) -> Iterator[None]:
    """One line with a hint for whatever transformers raises: its messages run over many.

    Raises:
        ModelError: in place of the error inside.
    """
    try:
        yield
    except LoopdError:
        raise
    # A folder from somewhere: tokenizers raise plain Exception, validators classes of their own.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        for pattern, words in _REASONS:
            reason = words if pattern.search(reason) else reason
        raise ModelError(f"cannot load the model {model!r}: {reason}", ABSENT) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no load report (unused keys are expected: we drop the model's heads)."""
    logger = logging.getLogger("transformers")
    level, bars = logger.level, transformers_logging.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
