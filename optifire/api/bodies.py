"""Bodies of requests: read strictly, where litestar would take 1 or "true" for true."""

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException


class StrictRequest(Request[Any, Any, Any]):
    """A request whose body is of the type that its route names in ``body``, or absent."""

    async def json(self) -> Any:  # noqa: ANN401 - what a client sent
        """Give the body; raises `ValidationException` where it is not what it should be."""
        try:
            said = await super().json()
        except UnicodeDecodeError as error:  # which msgspec lets out of a text
            raise _wrong("is not UTF-8") from error
        wanted: type[msgspec.Struct] | None = self.route_handler.opt.get("body")
        if wanted is not None and said is not None:
            try:
                msgspec.convert(said, wanted)
            except msgspec.ValidationError as error:
                raise _wrong(str(error)) from error
        return said


def _wrong(message: str) -> ValidationException:
    return ValidationException(extra=[{"key": "body", "message": message}])
