"""bf16 where the processor has it; weights and sums stay fp32."""

from __future__ import annotations

from typing import Any

import torch

from searchloom.embedding.encoder import processor_has_bf16


def mixed(model: Any) -> torch.autocast:
    """Return the context in which a model computes in bf16, on whatever device it is."""
    device = next(model.parameters()).device.type
    return torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda" or processor_has_bf16())
