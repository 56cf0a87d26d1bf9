"""Owns which of an encoder's weights the states of a layer depend on; must not train any.

What lies below a layer is asked of the encoder itself, not of the names of its parts: position
biases that all layers share, projections behind the embeddings and layers that are one and the same
have no common place or name.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch


def weights_below(encoder: torch.nn.Module, ids: Sequence[int], layer: int) -> frozenset[str]:
    """Names of all weights that the states under a layer depend on.

    With them those that nothing depends on, such as Longformer's for global attention. Empty where
    they cannot stay without more than the layers below staying too, as in an encoder
    whose layers share their weights (ALBERT, Lan et al. 2019, 1909.11942).

    Args:
        encoder: gives ``hidden_states`` for token ids; its weights require a gradient.
        ids: of some text; what they are does not matter.
        layer: from 0; its own weights are none of them.
    """
    named = {name: weight for name, weight in encoder.named_parameters() if weight.requires_grad}
    device = next(encoder.parameters()).device
    with torch.enable_grad():
        row = torch.tensor([list(ids)], device=device)
        states = encoder(
            input_ids=row, attention_mask=torch.ones_like(row), output_hidden_states=True
        ).hidden_states
        if len(states) <= layer + 1:
            return frozenset()
        below, above, last = (_behind(states[at], named) for at in (layer, layer + 1, -1))
    return below | (named.keys() - last) if below < above else frozenset()


def _behind(states: torch.Tensor, named: Mapping[str, torch.Tensor]) -> frozenset[str]:
    """Names of the weights that these states depend on."""
    if not states.requires_grad:
        return frozenset()
    slopes = torch.autograd.grad(
        states.sum(), [*named.values()], retain_graph=True, allow_unused=True
    )
    return frozenset(name for name, slope in zip(named, slopes, strict=True) if slope is not None)
