"""``context.http``: asks the service to fetch from hosts that the plugin is granted."""

from __future__ import annotations

import json as json_
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from optifire.core.errors import (
    ContractError,
    OptifireError,
    ProviderConnectionError,
    ProviderRateLimitError,
)

if TYPE_CHECKING:
    from optifire.sdk.scope import Scope

#: Seconds that one call may take in all unless it says otherwise.
DEFAULT_TIMEOUT: Final = 10.0
#: What a query may be made of.
Params = Mapping[str, Any] | Sequence[tuple[str, Any]]
TOO_MANY_REQUESTS: Final = 429
CLIENT_ERROR: Final = 400
SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it travels to the service; ``timeout`` is in seconds."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout: float = DEFAULT_TIMEOUT


class Headers(Mapping[str, str]):
    """Header fields by name, in whatever case; of several with one name the values are joined."""

    def __init__(self, fields: Sequence[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields:
            folded = name.lower()
            before = self._fields.get(folded)
            self._fields[folded] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True, slots=True)
class Response:
    """What a host answered, whatever its status; ``url`` is where it came from in the end."""

    status: int
    url: str
    headers: Headers = field(default_factory=Headers)
    content: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the status says success (below 400)."""
        return self.status < CLIENT_ERROR

    @property
    def text(self) -> str:
        """The content as text, by the charset that the host names, else UTF-8."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        name = charset.split(";")[0].strip(" \"'") or "utf-8"
        try:
            return self.content.decode(name, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:  # noqa: ANN401 - whatever the host says
        """Give the content read as JSON; raises `ValueError` where it is none."""
        return json_.loads(self.content)

    def raise_for_status(self) -> None:
        """Raise where the status is an error.

        Raises
        ------
        ProviderRateLimitError
            429; ``retry_after`` holds the seconds, where the host says them.
        ProviderConnectionError
            500 and above: trying again later may help.
        OptifireError
            Any other from 400 on.
        """
        if self.ok:
            return
        message = f"{self.url} answered with status {self.status}"
        if self.status == TOO_MANY_REQUESTS:
            said = self.headers.get("retry-after", "")
            wait = float(said) if said.isascii() and said.isdecimal() else None
            raise ProviderRateLimitError(message, where="context.http", retry_after=wait)
        if self.status >= SERVER_ERROR:
            raise ProviderConnectionError(message, where="context.http")
        raise OptifireError(message, where="context.http", remedy="Look at what was asked for")


#: Has somebody make a call.
Fetch = Callable[[Call], Awaitable[Response]]


class HttpClient:
    """Fetches by http and https from hosts that are granted by ``network:<host>``.

    The service fetches, for a plugin has no sockets. Redirects are followed to granted hosts
    only; an answer has at most 10 MB; neither proxies nor cookies are used. Every method raises

    - `SecurityError` where the host is not granted, the certificate is not trusted, or a name leads
      to an address of this machine or its network that is not granted itself;
    - `ProviderConnectionError` where the host cannot be reached in time;
    - `ProviderDataError` where what it answers is no HTTP or is too large;
    - `ContractError` where the call itself is wrong;
    - `NotInReplay` in a replay.
    """

    def __init__(self, fetch: Fetch, scope: Scope) -> None:
        self._fetch = fetch
        self._scope = scope

    async def get(
        self,
        url: str,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - the service keeps it
    ) -> Response:
        """Fetch a URL; ``params`` are added to its query, ``timeout`` is seconds for all of it."""
        return await self._call("GET", url, params, headers, b"", timeout)

    async def post(
        self,
        url: str,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - as above
        *,
        json: object = None,
        data: bytes | str | Params | None = None,
    ) -> Response:
        """Post to a URL: a value as JSON, or bytes, text, or the fields of a form."""
        body, kind = _body(json, data)
        own = dict(headers or {})
        if kind and "content-type" not in {name.lower() for name in own}:
            own["Content-Type"] = kind
        return await self._call("POST", url, params, own, body, timeout)

    async def _call(
        self,
        method: str,
        url: str,
        params: Params | None,
        headers: Mapping[str, str] | None,
        body: bytes,
        seconds: float,
    ) -> Response:
        self._scope.require_live("context.http")
        if type(url) is not str:
            raise _wrong(f"a URL is text, not {type(url).__name__}")
        if params:
            bare, mark, fragment = url.partition("#")
            joint = "&" if "?" in bare else "?"
            url = f"{bare}{joint}{urlencode(params, doseq=True)}{mark}{fragment}"
        fields = tuple((str(name), str(value)) for name, value in (headers or {}).items())
        return await self._fetch(Call(method, url, fields, body, float(seconds)))


def _body(json: object, data: object) -> tuple[bytes, str]:
    """Give what a post carries, and its content type where that is known."""
    if json is not None and data is not None:
        raise _wrong("a post carries json or data, not both")
    if json is not None:
        try:
            return json_.dumps(json, allow_nan=False).encode(), "application/json"
        except (TypeError, ValueError) as error:
            raise _wrong(f"json cannot be sent: {error}") from error
    if data is None or isinstance(data, bytes):
        return data or b"", ""
    if isinstance(data, str):
        return data.encode(), ""
    if isinstance(data, Mapping | list | tuple):
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    raise _wrong(f"data is bytes, text or a mapping, not {type(data).__name__}")


def _wrong(what: str) -> ContractError:
    return ContractError(what, where="context.http")
