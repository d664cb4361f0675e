"""What service, zygote and child say to each other: typed MessagePack, checked where it arrives.

On the run's socket `stream` keeps messages apart. The control socket between service and zygote
does so by itself (SOCK_SEQPACKET).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from optifire.core.errors import PluginFault
from optifire.core.limits import Limits
from optifire.core.ports import Event, Given, Outcome
from optifire.core.run import Failure
from optifire.sdk.context import SessionView
from optifire.sdk.http import Call


class _Message(msgspec.Struct, array_like=True):
    """A message on a socket."""


# --- service to child -------------------------------------------------------------------------


class Sandbox(msgspec.Struct, frozen=True, array_like=True):
    """What a sandboxed run may do beyond its own folders: granted paths, TCP ports, programs."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    subprocess: bool = False


class Order(_Message, tag="order"):
    """One attempt to make: the request without what only the service can hold.

    ``config`` is MessagePack; ``home`` is the folder under which the plugin has its own folders;
    ``limits`` None: none are enforced; ``stream``: it may commit what it made so far; ``sandbox``
    None: it has none.
    """

    run_id: str
    plugin_id: str
    due: datetime
    started: datetime
    attempt: int
    folder: str
    class_name: str
    checksum: str
    config: bytes
    given: Mapping[str, Given]
    events: Sequence[Event]
    session: SessionView | None
    replay: bool
    home: str
    limits: Limits | None = None
    stream: bool = False
    sandbox: Sandbox | None = None


class Describe(_Message, tag="describe"):
    """The plugin of a folder is to say what it is.

    ``scratch`` is a folder that it may use meanwhile, in a sandbox; without one there is none.
    """

    folder: str
    scratch: str = ""


class Accept(_Message, tag="accept"):
    """The plugin of a folder is to check its configuration, which is MessagePack."""

    folder: str
    config: bytes
    scratch: str = ""


class Enter(_Message, tag="enter"):
    """The child is to be the resident of a plugin: load it and call these hooks, in order."""

    order: Order
    hooks: Sequence[str]


class Tell(_Message, tag="tell"):
    """An event for ``handle_event``, at an instant."""

    event: Event
    at: datetime


class Leave(_Message, tag="leave"):
    """End what goes on, call these hooks, in order, and end."""

    hooks: Sequence[str]


class Committed(_Message, tag="committed"):
    """What a stream handed over is written, unless there is an error: message, where, remedy."""

    error: tuple[str, str, str] | None = None


class Reply(_Message, tag="reply"):
    """The answer to a question; ``error`` is message, where and remedy of a contract error."""

    names: Sequence[str] = ()
    given: Given | None = None
    rows: bytes = b""
    error: tuple[str, str, str] | None = None


class Fetched(_Message, tag="fetched"):
    """What came of a call of ``context.http``, by its number.

    ``error`` is class, message, where and remedy; without one the rest is the answer.
    """

    number: int
    status: int = 0
    url: str = ""
    fields: Sequence[tuple[str, str]] = ()
    content: bytes = b""
    error: tuple[str, str, str, str] | None = None


# --- child to service -------------------------------------------------------------------------


class Started(_Message, tag="started"):
    """The child has its order and is at its first line.

    ``rss`` is its resident memory there, in bytes, and ``shared`` the part of it that lies in
    files; ``cpu`` the processor seconds it took so far.
    """

    rss: int
    cpu: float = 0.0
    shared: int = 0


class AskNames(_Message, tag="names"):
    """Which names stood when the cycle began."""


class AskValue(_Message, tag="value"):
    """One value of then."""

    name: str


class AskRows(_Message, tag="rows"):
    """The answer to a query on the tables of then."""

    sql: str
    params: bytes
    one: bool


class AskFetch(_Message, tag="fetch"):
    """A call of ``context.http``; many may be open at once, each answer carries its number."""

    number: int
    call: Call


class Done(_Message, tag="done"):
    """How the attempt ended.

    ``lost`` is what it printed beyond what was kept, in bytes; ``cpu`` the processor seconds that
    the child itself says it took, ``peak`` its peak of resident bytes if it lives on (0: unknown),
    ``shared`` its resident bytes in files of memory at the end if it was lent any. ``handed`` is
    filled in by who receives this: bytes of the files that came along.
    """

    outcome: Outcome
    lost: int = 0
    cpu: float = 0.0
    peak: int = 0
    shared: int = 0
    handed: int = 0


class Commit(_Message, tag="commit"):
    """What a stream has made so far, to be written as one transaction."""

    outcome: Outcome


class Entered(_Message, tag="entered"):
    """The plugin of a resident is there, or why not."""

    failure: Failure | None = None


class Told(_Message, tag="told"):
    """``handle_event`` has returned, or why not."""

    failure: Failure | None = None


class Left(_Message, tag="left"):
    """The last hooks have returned, or why not."""

    failure: Failure | None = None


class Described(_Message, tag="described"):
    """What a plugin said; ``metadata``, ``plan`` and ``config_schema`` are MessagePack."""

    plugin_id: str
    class_name: str
    metadata: bytes
    plan: bytes
    hooks: tuple[str, ...]
    config_schema: bytes | None = None
    validates_config: bool = False


class Accepted(_Message, tag="accepted"):
    """A plugin takes its configuration."""


class Faulty(_Message, tag="faulty"):
    """A plugin could not be loaded or described: message, where and remedy."""

    message: str
    where: str
    remedy: str

    def error(self) -> PluginFault:
        """Give the error that was met in the child."""
        return PluginFault(self.message, where=self.where, remedy=self.remedy)


Question = AskNames | AskValue | AskRows
FromStaying = Entered | Told | Left | Commit
FromChild = Started | Question | AskFetch | Done | Described | Accepted | Faulty | FromStaying
ToStaying = Enter | Tell | Leave | Committed
ToChild = Order | Describe | Accept | Reply | Fetched | ToStaying


# --- service and zygote -----------------------------------------------------------------------


class ChildSettings(msgspec.Struct, frozen=True):
    """What a zygote is told when it is started.

    Attributes
    ----------
    home
        Whose ``data/`` holds the user's series.
    modules
        What it imports before it forks; none in a light zygote.
    warm
        The series that it loads before it forks; None: all built-in ones.
    aliases, symbol
        Symbols that stand for others, and the one behind ``market_data``.
    replay
        Recorded data is not looked at again once it is loaded.
    shift_after
        Microseconds after which all recorded data is changed (a look-ahead check); None: nowhere.
    """

    home: str
    modules: tuple[str, ...] = ()
    warm: tuple[str, ...] | None = ()
    aliases: dict[str, str] = {}
    symbol: str = "SPY"
    replay: bool = False
    shift_after: int | None = None


class Fork(_Message, tag="fork"):
    """A child is wanted; run socket and log pipe come along.

    ``pooled``: for many runs. ``folder`` and ``checksum``: the plugin that is to run, whose code
    the zygote may keep compiled. ``ahead``: for a run that is still to come.
    """

    number: int
    pooled: bool = False
    folder: str = ""
    checksum: str = ""
    ahead: bool = False


class Watch(_Message, tag="watch"):
    """Watch the service's loop by the word that comes along; without one, watch no longer."""


class Ready(_Message, tag="ready"):
    """The zygote has imported what it was told to."""


class Forked(_Message, tag="forked"):
    """The child is there; its pidfd comes along."""

    number: int
    pid: int


class NotForked(_Message, tag="not_forked"):
    """There is no child, and why."""

    number: int
    why: str


class Ended(_Message, tag="ended"):
    """The child is gone and reaped: wait status, processor seconds, peak resident bytes."""

    number: int
    status: int
    cpu: float
    peak: int


ToZygote = Fork | Watch
FromZygote = Ready | Forked | NotForked | Ended

_encoder = msgspec.msgpack.Encoder()
from_child: Final[msgspec.msgpack.Decoder[FromChild]] = msgspec.msgpack.Decoder(FromChild)
to_child: Final[msgspec.msgpack.Decoder[ToChild]] = msgspec.msgpack.Decoder(ToChild)
from_zygote: Final[msgspec.msgpack.Decoder[FromZygote]] = msgspec.msgpack.Decoder(FromZygote)
to_zygote: Final[msgspec.msgpack.Decoder[ToZygote]] = msgspec.msgpack.Decoder(ToZygote)


def encode(message: _Message) -> bytes:
    """Give a message's bytes."""
    return _encoder.encode(message)
