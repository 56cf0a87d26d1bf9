"""Owns a forward pass of BERT-like encoders over unpadded tokens; must not own weights or losses.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own habit)
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

Transformer: TypeAlias = Any
"""A module of ``transformers``, whose parts torch types as "a tensor or a module"."""

Runs = Sequence[tuple[int, int]]
"""(texts, tokens of each) of neighbouring texts of one length, in the order of the flat tokens."""

Drop = Callable[[torch.Tensor], torch.Tensor]
Attention = Callable[[torch.Tensor], torch.Tensor]
"""From queries, keys and values of all tokens (t, 3 * width) to what each token sees."""

BLOCK = 64
"""Flat tokens come in multiples of this: few different shapes, so that oneDNN, which prepares and
keeps a program for each shape it meets, stays quick and small."""

KEYS = 16
"""torch's attention on CPUs is vectorised over keys: their number is filled up to a multiple. On
other devices it takes them as they are."""

UNPLANNED = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""torch's attention but for cuDNN's, which it prefers on newer GPUs."""

EVERY_LAYER = slice(None)

_FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")


@dataclass(frozen=True)
class Flat:
    """Token ids of some texts one after the other, shortest text first, filled up to ``BLOCK``.

    Attributes:
        ids: (t,) token ids; zeros at the end, which belong to no text.
        in_text: (t,) position of each token in its text.
        runs: texts of equal length.
    """

    ids: torch.Tensor
    in_text: torch.Tensor
    runs: Runs

    def padding(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """How to pad the texts and back.

        Returns:
            For n texts of at most m tokens: the flat token behind each padded one (n, m), the
            padded token of each flat one (t,), and what is added to a key's scores (n, m).
        """
        counts, sizes = zip(*self.runs, strict=True)
        lengths = torch.tensor(sizes).repeat_interleave(torch.tensor(counts))
        longest = -(-int(lengths[-1]) // KEYS) * KEYS
        starts = lengths.cumsum(0) - lengths
        inside = torch.arange(longest)[None, :] < lengths[:, None]
        there = (starts[:, None] + torch.arange(longest)[None, :]).where(inside, 0)
        back = torch.zeros(len(self.ids), dtype=torch.int64)
        back[: int(lengths.sum())] = inside.view(-1).nonzero()[:, 0]
        mask = torch.zeros(inside.shape, dtype=dtype).masked_fill_(~inside, -torch.inf)
        return there, back, mask


def flat(texts: Sequence[NDArray[np.int32]]) -> Flat:
    """Lay texts, which must be sorted by length, one after the other."""
    lengths = np.array([len(text) for text in texts])
    filled = -(-int(lengths.sum()) // BLOCK) * BLOCK
    ids, in_text = np.zeros(filled, dtype=np.int64), np.zeros(filled, dtype=np.int64)
    ids[: lengths.sum()] = np.concatenate(texts)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    in_text[: len(starts)] = np.arange(len(starts)) - starts
    different, counts = np.unique(lengths, return_counts=True)
    runs = tuple((int(count), int(tokens)) for tokens, count in zip(different, counts, strict=True))
    return Flat(torch.from_numpy(ids), torch.from_numpy(in_text), runs)


class LeanEncoder:
    """The forward pass of a BERT-like ``transformers`` encoder without its padding.

    Linear layers, norms and activations see all tokens of all texts as one matrix; only attention
    looks at texts, and sees those of one length together. Same weights, same result as the
    module's own forward pass up to rounding.

    Source: Devlin et al. 2019 (1810.04805); unpadding as in Zeng et al. 2022 (2208.08124).

    Args:
        encoder: the module whose weights are used; see ``supports``.
        dtype: of weights and activations.
        frozen: whether the weights stay as they are while this object lives. No gradient flows
            then, and on a CPU they are laid out for oneDNN once.
        layers: which of them are passed.
    """

    def __init__(
        self,
        encoder: Transformer,
        dtype: torch.dtype,
        *,
        frozen: bool,
        layers: slice = EVERY_LAYER,
    ) -> None:
        embeddings, config = encoder.embeddings, encoder.config
        self._dtype, self._frozen, self._eps = dtype, frozen, float(config.layer_norm_eps)
        self._device = embeddings.word_embeddings.weight.device
        self._packs = frozen and self._device.type == "cpu"
        self._heads, self.width = int(config.num_attention_heads), int(config.hidden_size)
        self._words = embeddings.word_embeddings.weight
        self._positions = embeddings.position_embeddings.weight[_first_position(encoder) :]
        self._kind = embeddings.token_type_embeddings.weight[0]
        self._norm = self._cast(embeddings.LayerNorm)
        self._layers = [self._layer(layer) for layer in encoder.encoder.layer[layers]]

    def pooled(
        self,
        tokens: Flat,
        layers: Sequence[int] = (-1,),
        drop: Drop | None = None,
        below: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean over each text's tokens of the states of some layers.

        Args:
            tokens: of n texts.
            layers: which, as transformers counts ``hidden_states``: 0 is the embeddings, -1 the
                last layer.
            drop: dropout, applied where BERT has it but for the attention's probabilities.
            below: states (t, width) under the layers that are passed; ``None``: the embeddings.

        Returns:
            (n, layers, width), float32.
        """
        numbers = {layer % (len(self._layers) + 1) for layer in layers}
        means = {
            number: _means(hidden, tokens.runs)
            for number, hidden in enumerate(self._states(tokens, drop or _kept, below))
            if number in numbers
        }
        return torch.stack([means[layer % (len(self._layers) + 1)] for layer in layers], dim=1)

    def last(self, tokens: Flat, drop: Drop | None = None) -> torch.Tensor:
        """States (t, width) of the last layer, in ``dtype``; those that fill up mean nothing.

        Args:
            tokens: of n texts.
            drop: as for ``pooled``.
        """
        for hidden in self._states(tokens, drop or _kept, None):
            last = hidden
        return last

    def _states(
        self, tokens: Flat, drop: Drop, below: torch.Tensor | None
    ) -> Iterator[torch.Tensor]:
        """States (t, width) of each layer in turn, what is below them first."""
        attention = self._by_runs(tokens.runs) if self._frozen else self._padded(tokens)
        hidden = drop(self._embedded(tokens)) if below is None else below
        yield hidden
        for layer in self._layers:
            mixed = attention(self._linear(hidden, layer["mix"]))
            hidden = self._normed(self._added(mixed, layer["out"], hidden, drop), layer["norm"])
            grown = self._grown(hidden, layer["up"])
            hidden = self._normed(self._added(grown, layer["down"], hidden, drop), layer["last"])
            yield hidden

    def _embedded(self, tokens: Flat) -> torch.Tensor:
        hidden = F.embedding(tokens.ids.to(self._device), self._words) + self._kind
        hidden = hidden + F.embedding(tokens.in_text.to(self._device), self._positions)
        return self._normed(hidden.to(self._dtype), self._norm)

    def _layer(self, layer: Transformer) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        attention, inside = layer.attention, layer.attention.self
        three = (inside.query, inside.key, inside.value)
        mix = (torch.cat([part.weight for part in three]), torch.cat([part.bias for part in three]))
        return {
            "mix": self._packed(*mix),
            "out": self._packed(attention.output.dense.weight, attention.output.dense.bias),
            "norm": self._cast(attention.output.LayerNorm),
            "up": self._packed(layer.intermediate.dense.weight, layer.intermediate.dense.bias),
            "down": self._packed(layer.output.dense.weight, layer.output.dense.bias),
            "last": self._cast(layer.output.LayerNorm),
        }

    def _cast(self, norm: torch.nn.LayerNorm) -> tuple[torch.Tensor, torch.Tensor]:
        return norm.weight.to(self._dtype), norm.bias.to(self._dtype)

    def _packed(
        self, weight: torch.Tensor, bias: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = weight.to(self._dtype), bias.to(self._dtype)
        if self._frozen:
            weight, bias = weight.detach(), bias.detach()
        if self._packs:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        return weight, bias

    def _normed(
        self, hidden: torch.Tensor, norm: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        return F.layer_norm(hidden, (self.width,), *norm, self._eps)

    def _linear(
        self, hidden: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        if self._packs:
            return _pointwise(hidden, *weights, ("none", [], ""))
        return F.linear(hidden, *weights)

    def _grown(
        self, hidden: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        if self._packs:
            return _pointwise(hidden, *weights, ("gelu", [], "none"))
        return F.gelu(F.linear(hidden, *weights))

    def _added(
        self,
        inside: torch.Tensor,
        weights: tuple[torch.Tensor, torch.Tensor],
        hidden: torch.Tensor,
        drop: Drop,
    ) -> torch.Tensor:
        if self._packs:
            added: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(
                inside, hidden, *weights, "add"
            )
            return added
        return hidden + drop(F.linear(inside, *weights))

    def _by_runs(self, runs: Runs) -> Attention:
        """Texts of one length at a time, through torch's fused kernel."""
        size = self.width // self._heads

        def attention(mixed: torch.Tensor) -> torch.Tensor:
            parts, start = [], 0
            with unplanned(self._device):
                for count, tokens in runs:
                    end = start + count * tokens
                    run = mixed[start:end].view(count, tokens, 3, self._heads, size)
                    parts.append(_attended(run, len(mixed) - end))
                    start = end
            parts.append(mixed.new_zeros(len(mixed) - start, self.width))
            return torch.cat(parts)

        return attention

    def _padded(self, tokens: Flat) -> Attention:
        """All texts at once, padded here only: the fused kernel's backward pass is slow on CPUs."""
        size = self.width // self._heads
        there, back, mask = (part.to(self._device) for part in tokens.padding(self._dtype))

        def attention(mixed: torch.Tensor) -> torch.Tensor:
            wide: torch.Tensor = mixed.index_select(0, there.view(-1))
            query, key, value = wide.view(*there.shape, 3, self._heads, size).permute(2, 0, 3, 1, 4)
            scores = query @ (key * size**-0.5).transpose(2, 3) + mask[:, None, None, :]
            seen: torch.Tensor = (scores.softmax(dim=-1) @ value).transpose(1, 2)
            return seen.reshape(-1, self.width).index_select(0, back)

        return attention


def supports(encoder: Transformer) -> bool:
    """Whether ``LeanEncoder`` knows the architecture and torch has what it needs."""
    settings = encoder.config.to_dict()
    familiar = (
        settings["model_type"] in _FAMILIES
        and settings["hidden_act"] == "gelu"
        and settings.get("position_embedding_type", "absolute") in ("absolute", None)
        and not settings.get("is_decoder")
        and not settings.get("add_cross_attention")
        and {"embeddings", "encoder"} <= {name for name, _ in encoder.named_children()}
    )
    on_cpu = next(encoder.parameters()).device.type == "cpu"
    return bool(familiar and (not on_cpu or _has_onednn()))


def _has_onednn() -> bool:
    try:
        return torch.ops.mkldnn._linear_pointwise is not None
    except AttributeError:
        return False


def unplanned(device: torch.device) -> AbstractContextManager[None]:
    """Attention by kernels that take any shape at once, as long as the context lasts.

    cuDNN plans a kernel for each shape, some 40 ms on an H100 (torch 2.11), and texts come in
    hundreds of shapes. Once planned, its kernels save 6 % of a pass.
    """
    if device.type == "cpu":
        return nullcontext()
    context: AbstractContextManager[None] = sdpa_kernel(UNPLANNED)
    return context


def _pointwise(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    after: tuple[str, list[float], str],
) -> torch.Tensor:
    """oneDNN's matrix product with what comes after it in one program; the weight is laid out."""
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(hidden, weight, bias, *after)
    return result


def _kept(hidden: torch.Tensor) -> torch.Tensor:
    return hidden


def _first_position(encoder: Transformer) -> int:
    """Roberta-like encoders count positions from behind the padding's index."""
    if encoder.config.model_type == "bert":
        return 0
    return int(encoder.embeddings.padding_idx) + 1


def _attended(run: torch.Tensor, behind: int) -> torch.Tensor:
    """Attention over texts of one length: (n, tokens, 3, heads, size) to (n * tokens, width).

    On a CPU the keys are filled up behind a mask: with those of the next text, which lie there
    anyway, so that nothing is copied; with the last key of each text where nothing does.

    Args:
        run: part of an array of more tokens.
        behind: tokens of it behind the run.
    """
    count, tokens = run.shape[:2]
    filled = -(-tokens // KEYS) * KEYS if run.device.type == "cpu" else tokens
    query, key, value = run.permute(2, 0, 3, 1, 4)
    if filled == tokens or tokens <= KEYS // 2:
        seen = F.scaled_dot_product_attention(query, key, value)
        return seen.transpose(1, 2).reshape(count * tokens, -1)
    if filled - tokens <= behind:
        wide = run.as_strided((count, filled, *run.shape[2:]), run.stride(), run.storage_offset())
    else:
        wide = run.index_select(1, torch.arange(filled).clamp_(max=tokens - 1))
    _, key, value = wide.permute(2, 0, 3, 1, 4)
    mask = torch.zeros(tokens, filled, dtype=run.dtype)
    mask[:, tokens:] = -torch.inf
    seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return seen.transpose(1, 2).reshape(count * tokens, -1)


def _means(hidden: torch.Tensor, runs: Runs) -> torch.Tensor:
    parts, start = [], 0
    for count, tokens in runs:
        part = hidden[start : start + count * tokens].view(count, tokens, -1)
        parts.append(part.mean(dim=1, dtype=torch.float32))
        start += count * tokens
    return torch.cat(parts)
