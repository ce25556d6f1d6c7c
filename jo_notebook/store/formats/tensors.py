"""torch's tensors as parts of a tree: dense ones on the CPU that no gradient is waiting for."""

from __future__ import annotations

import math
from typing import Any

from jo_notebook.store.formats.contract import Refused, Unreadable
from jo_notebook.store.formats.plain import Writer
from jo_notebook.store.formats.plain_reading import Reader, Source, as_dict, as_ints, as_text

DTYPES = frozenset(
    {
        *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    }
)


def write_tensor(writer: Writer, value: Any) -> Any:
    """A tensor's dtype, shape and memory; a copy of it where its elements lie apart."""
    import torch

    writer.once(value)
    dtype = str(value.dtype).removeprefix("torch.")
    plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
    if not plain or dtype not in DTYPES or any(getattr(value, "names", ())):
        raise Refused("a tensor of another kind")
    if value.grad_fn is not None or not value.is_leaf or value.grad is not None or vars(value):
        raise Refused("a tensor that takes part in a computation")
    if any(stride == 0 and count > 1 for stride, count in zip(value.stride(), value.shape, strict=True)):
        raise Refused("a tensor that repeats its memory")
    flat = value.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    data = memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else memoryview(b"")
    writer.spend(6 + value.ndim)
    writer.versions["torch"] = str(torch.__version__)
    return {
        "$tensor": {
            "class": type(value).__name__,
            "dtype": dtype,
            "shape": list(value.shape),
            "requires_grad": value.requires_grad,
            "buffer": writer.buffer(data),
        }
    }


def _read_tensor(content: Any, source: Source) -> Any:
    import torch

    about = as_dict(content, "class", "dtype", "shape", "requires_grad", "buffer")
    shape, name = as_ints(about["shape"]), as_text(about["dtype"])
    data = source.buffer(about["buffer"])
    if name not in DTYPES or about["class"] not in ("Tensor", "Parameter") or type(about["requires_grad"]) is not bool:
        raise Unreadable("a tensor was expected")
    dtype = getattr(torch, name)
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != data.nbytes:
        raise Unreadable("a tensor that does not fit its memory")
    if data.nbytes:
        held = memoryview(bytearray(data)) if data.readonly else data
        found = torch.frombuffer(held, dtype=dtype).reshape(shape)
    else:
        found = torch.empty(shape, dtype=dtype)
    if about["class"] == "Parameter":
        return torch.nn.Parameter(found, requires_grad=about["requires_grad"])
    return found.requires_grad_() if about["requires_grad"] else found


READERS: dict[str, Reader] = {"$tensor": _read_tensor}
