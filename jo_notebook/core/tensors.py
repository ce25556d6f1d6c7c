"""The rules of data versions for torch, which is recognised and never imported.

A tensor is its class, dtype, shape, kind of device, whether it takes gradients, and its elements in order.
A module is taken apart like any object, down to its tensors.
"""

from __future__ import annotations

from typing import Any

from jo_notebook.core.kinds import path_of
from jo_notebook.core.object_rules import object_rule
from jo_notebook.core.walk import Node, Rule

COMPRESSED = {
    "torch.sparse_csr": ("crow_indices", "col_indices"),
    "torch.sparse_bsr": ("crow_indices", "col_indices"),
    "torch.sparse_csc": ("ccol_indices", "row_indices"),
    "torch.sparse_bsc": ("ccol_indices", "row_indices"),
}


def _tensor(node: Node, value: Any) -> None:
    layout = str(value.layout)
    if value.is_quantized or (layout != "torch.strided" and layout != "torch.sparse_coo" and layout not in COMPRESSED):
        object_rule(node, value)
        return
    about = (str(value.dtype), tuple(value.shape), value.device.type, layout, bool(value.requires_grad))
    node.put("Tensor", path_of(type(value)).encode(), repr(about).encode())
    held = vars(value)
    if held:
        node.feed(dict(held))
    if value.device.type == "meta":
        return
    value = value.detach().cpu()
    if layout == "torch.strided":
        _elements(node, value)
    elif layout == "torch.sparse_coo":
        joined = value.coalesce()
        _elements(node, joined.indices())
        _elements(node, joined.values())
    else:
        for part in (*COMPRESSED[layout], "values"):
            _elements(node, getattr(value, part)())


def _elements(node: Node, value: Any) -> None:
    value = value.resolve_conj().resolve_neg().contiguous()
    size = value.numel() * value.element_size()
    node.put("elements", str((str(value.dtype), tuple(value.shape))).encode())
    node.buffer((_memory(value.data_ptr(), size),) if size else (), size)


def _memory(place: int, size: int) -> memoryview:
    import ctypes  # torch has it already

    return memoryview((ctypes.c_ubyte * size).from_address(place)).cast("B")


def _descriptor(node: Node, value: Any) -> None:
    """torch.dtype and its like, which pickle as their names."""
    node.put("torch", type(value).__name__.encode(), str(value).encode())


NAMED: dict[str, Rule] = dict.fromkeys(
    ("torch.dtype", "torch.device", "torch.layout", "torch.memory_format"), _descriptor
)

BASES: dict[str, Rule] = {"torch.Tensor": _tensor, "torch._tensor.Tensor": _tensor}
