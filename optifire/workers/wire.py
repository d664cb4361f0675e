"""One value as bytes: MessagePack, with frames as column buffers; what is not plain is refused.

numpy and pandas are looked for only where they are imported already: the service never is the one
to import them, and to it a frame is opaque.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from optifire.core.errors import ContractError
from optifire.core.types import Encoded
from optifire.workers.plain import Plainer, canonical, refuse, subclass
from optifire.workers.sealed import MAX_BYTES, encoded_from

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FRAME_CODE", "MAX_BYTES", "canonical", "decode_value", "encode_shared", "encode_value",
    "to_json",
]  # fmt: skip

FRAME_CODE: Final = 1  # the extension code of frames, series and arrays

#: Extensions of more bytes have a long head (MessagePack, ext 32).
_LONG: Final = (1 << 16) - 1
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict})

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder()
_parts_in: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def encode_value(value: Any, path: str = "value") -> Encoded:
    """Give a value as MessagePack, mappings in their own order.

    numpy scalars and 0-d arrays become plain values; frames, series and arrays an extension.

    Raises
    ------
    ContractError
        Naming the key (``path`` and what lies below it) and the type of what is not plain, cyclic,
        nested more than 64 deep, or larger than 64 MB.
    """
    return Encoded(b"".join(_parts(value, path)))


def encode_shared(value: Any, path: str) -> Encoded:
    """Give the same bytes, where they are many in a sealed file that other processes can map.

    Columns of a frame are copied once, to where their readers will find them.
    """
    return encoded_from(_parts(value, path))


def _parts(value: Any, path: str) -> Sequence[bytes | memoryview]:
    """Give the parts of an encoded value, those of a frame without copying its columns."""
    parts = _parts_of_frame(value, path)
    if not parts:
        parts = [_ENCODER.encode(_PLAINER.plain(value, path))]
    size = sum(map(len, parts))
    if size > MAX_BYTES:
        raise refuse(path, f"a value of {size:,} bytes", "Keep values under 64 MB")
    return parts


def _parts_of_frame(value: Any, path: str) -> Sequence[bytes | memoryview]:
    """Give the parts of a value that is a frame, series or array; nothing for any other."""
    if type(value) in _PLAIN or "numpy" not in sys.modules:
        return ()
    from optifire.workers import frames

    if not frames.is_frame(value):
        return ()
    parts = frames.pack(value, path)
    size = sum(map(len, parts))
    if size <= _LONG:
        return [_ENCODER.encode(msgspec.msgpack.Ext(FRAME_CODE, b"".join(parts)))]
    return [b"\xc9" + size.to_bytes(4, "big") + bytes([FRAME_CODE]), *parts]


def decode_value(encoded: bytes) -> Any:
    """Give the value of some bytes, frames as pandas and numpy objects.

    Raises `ContractError` where the bytes, which may be another plugin's, are no value.
    """
    try:
        return msgspec.msgpack.decode(encoded, ext_hook=_open_frame)
    except (msgspec.DecodeError, ValueError) as broken:
        raise ContractError(f"these bytes are not a value: {broken}", where="value") from broken


def decode_inline(encoded: bytes) -> Any:
    """Give the value of some bytes; a frame is a contract error, as inline code has no pandas."""
    return msgspec.msgpack.decode(encoded, ext_hook=_refuse_frame)


def to_json(encoded: bytes) -> Any:
    """Give a value as JSON can say it.

    NaN and infinities are None, bytes base64 text, keys text, and frames
    ``{"frame": {"rows", "columns", "sha256"}}``.
    """
    return _jsonable(_DECODER.decode(encoded))


def _other(value: Any, path: str) -> Any:
    """Give numpy scalars as plain values and frames as extensions, where there can be any."""
    if "numpy" in sys.modules:
        from optifire.workers import frames

        if frames.is_frame(value):
            return msgspec.msgpack.Ext(FRAME_CODE, b"".join(frames.pack(value, path)))
        return frames.scalar(value, path)
    return subclass(value, path)


_PLAINER: Final = Plainer(_other)


def _open_frame(code: int, payload: memoryview) -> Any:
    if code != FRAME_CODE:
        raise ContractError(f"a value has the unknown extension {code}", where="value")
    from optifire.workers import unframed

    return unframed.unpack(payload)


def _refuse_frame(code: int, payload: memoryview) -> Any:
    raise ContractError(
        f"an inline plugin gets no frames (extension {code}, {payload.nbytes:,} bytes)",
        where="value",
        remedy="Set isolation: isolated",
    )


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, msgspec.msgpack.Ext):
        return {"frame": _summary(bytes(value.data))}
    return value


def _summary(payload: bytes) -> dict[str, Any]:
    """Give rows, columns and hash of a frame, from its header alone."""
    header = _DECODER.decode(_parts_in(payload)[0])
    return {
        "rows": header["rows"],
        "columns": _jsonable(header["labels"]),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
