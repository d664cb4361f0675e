"""Plain values to and from what a column holds: instants, MessagePack and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from optifire.core.ledger import Statement
from optifire.core.run import Failure, Source
from optifire.core.types import Encoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: What unpacking bytes that are no MessagePack raises.
DecodeError = msgspec.DecodeError

_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_unpack_any = msgspec.msgpack.Decoder().decode
_unpack_map = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_unpack_statements = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]]).decode
_read_sources = msgspec.json.Decoder(dict[str, Source]).decode
_read_failure = msgspec.json.Decoder(Failure).decode
_read_texts = msgspec.json.Decoder(dict[str, str]).decode


def to_us(instant: datetime) -> int:
    """Give an aware instant in microseconds since the epoch, exactly.

    Raises `TypeError` for a naive one: nobody can say which instant it is.
    """
    gap = instant - EPOCH
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def from_us(micros: int) -> datetime:
    """Give the UTC instant of a count of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=micros)


def maybe_us(instant: datetime | None) -> int | None:
    """Give microseconds, or None for None."""
    return None if instant is None else to_us(instant)


def maybe_instant(micros: int | None) -> datetime | None:
    """Give the instant, or None for None."""
    return None if micros is None else from_us(micros)


def iso(instant: datetime) -> str:
    """Give an instant as text, as in ``2018-11-23T18:00:00Z``."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def clean(text: str) -> str:
    """Give the text with lone surrogates spelled out: UTF-8 cannot hold them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def encode_values(values: Mapping[str, Encoded]) -> bytes | None:
    """Join encoded values to one MessagePack map; None when there are none."""
    if not values:
        return None
    return _pack({name: msgspec.Raw(value) for name, value in values.items()})


def decode_values(packed: bytes | None) -> dict[str, Encoded]:
    """Split a MessagePack map into its values, each still encoded."""
    if packed is None:
        return {}
    return {name: Encoded(bytes(value)) for name, value in _unpack_map(packed).items()}


def encode_statements(statements: Sequence[Statement]) -> bytes:
    """Pack statements as a list of [sql, params]."""
    return _pack([(entry.sql, msgspec.Raw(entry.params)) for entry in statements])


def decode_statements(packed: bytes) -> tuple[Statement, ...]:
    """Unpack what `encode_statements` packed."""
    return tuple(Statement(sql, Encoded(bytes(raw))) for sql, raw in _unpack_statements(packed))


def encode_sources(sources: Mapping[str, Source]) -> str | None:
    """Give a lineage as JSON text, None when it is empty."""
    return _json(sources).decode() if sources else None


def decode_sources(text: str | None) -> dict[str, Source]:
    """Read what `encode_sources` wrote."""
    return _read_sources(text) if text else {}


def encode_failure(failure: Failure | None) -> str | None:
    """Give a failure as JSON text."""
    if failure is None:
        return None
    plain = Failure(
        clean(failure.type), clean(failure.message), clean(failure.traceback), failure.retryable
    )
    return _json(plain).decode()


def decode_failure(text: str | None) -> Failure | None:
    """Read what `encode_failure` wrote."""
    return _read_failure(text) if text else None


def encode_texts(texts: Mapping[str, str]) -> str:
    """Give a mapping of texts as JSON."""
    return _json(texts).decode()


def decode_texts(text: str) -> dict[str, str]:
    """Read what `encode_texts` wrote."""
    return _read_texts(text)


def encode_plain(value: Any) -> Encoded:
    """Give any plain value as MessagePack."""
    return Encoded(_pack(value))


def decode_params(packed: Encoded) -> list[Any] | dict[str, Any]:
    """Unpack the parameters of a statement; instants become the text that tables hold.

    Raises `TypeError` when they are neither a list nor a mapping.
    """
    given = _unpack_any(packed)
    if isinstance(given, list):
        return [_plain_param(value) for value in given]
    if isinstance(given, dict):
        return {str(name): _plain_param(value) for name, value in given.items()}
    raise TypeError(f"parameters must be a list or a mapping, not {type(given).__name__}")


def _plain_param(value: Any) -> Any:
    """Leave what SQLite takes; spell an instant as text."""
    return iso(value) if isinstance(value, datetime) else value
