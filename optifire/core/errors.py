"""The one error tree: an error's class tells its reader how to react.

Every message says what is wrong, ``where`` (file and line, or key) and what to do about it
(``remedy``). `ConfigError` needs a person to edit something, `TransientError` is worth another
try, `PluginFault` concerns one plugin only.
"""

from collections.abc import Iterator


class OptifireError(Exception):
    """Root of every error that OptiFIRE raises on purpose.

    Parameters
    ----------
    message
        What is wrong, as a sentence without a full stop.
    where
        File and line, configuration key, plugin id or command that it is about.
    remedy
        What a person should do, as an imperative sentence without a full stop.
    """

    #: Whether the same attempt may succeed later without anybody editing anything.
    retryable: bool = False

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f". {self.remedy}" if self.remedy else ""
        return f"{place}{self.message}{cure}"


class ConfigError(OptifireError):
    """A person must edit something before this can work."""


class UsageError(OptifireError):
    """A command was called with words that it does not take (exit code 2)."""


class TransientError(OptifireError):
    """Trying again later may succeed; ``retry_after`` is in seconds, None if unknown."""

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        remedy: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.retry_after = retry_after


class StoreError(OptifireError):
    """The ledger cannot be read or written: full disk, read-only or damaged file, newer version."""


class NeverWrittenError(StoreError):
    """It can never be written, however often it is tried: a row has ended, or a start is over."""


class UnfitError(StoreError):
    """No service can have this ledger until a person acts: it is newer, or half restored."""


class DamagedError(UnfitError):
    """The ledger or a large value of it is damaged: only a backup helps."""


class LockedError(StoreError):
    """Another service holds this ledger."""


class ReplayError(OptifireError):
    """A replay cannot go on or does not agree; it ends with exit code 1 and no digest."""


class PluginFault(OptifireError):
    """One plugin is at fault; everything else goes on."""


class NotFoundError(PluginFault):
    """No plugin has this id."""


class ConflictError(PluginFault):
    """Two sources claim the same id or the same name."""


class ManifestError(PluginFault):
    """The manifest is malformed or disagrees with ``describe()``."""


class CompatibilityError(PluginFault):
    """The plugin asks for another version, platform or package."""


class DependencyError(PluginFault):
    """A dependency is missing, ambiguous or part of a cycle; the message names the path."""


class StateError(PluginFault):
    """The plugin is not in a state that allows this move."""


class RunTimeoutError(PluginFault):
    """A run took longer than its timeout."""


class BudgetError(PluginFault):
    """A run used more than its budget."""


class SecurityError(PluginFault):
    """Not allowed, wrong checksum, wrong signature or missing permission."""


class ContractError(PluginFault):
    """The plugin broke the contract: wrong type, unserialisable value, fetch after a write."""


class NoData(OptifireError):
    """There is no data to answer with; a normal outcome, recorded ``skipped(no data: ...)``."""


class NotInReplay(OptifireError):
    """The machine and the live world are not part of a replay; recorded ``skipped(live only)``."""


class ProviderError(OptifireError):
    """A data provider could not answer."""


class ProviderConfigurationError(ProviderError, ConfigError):
    """The provider's settings are wrong."""


class ProviderConnectionError(ProviderError, TransientError):
    """The provider could not be reached."""


class ProviderAuthenticationError(ProviderError, ConfigError):
    """The provider refused the credentials."""


class ProviderRateLimitError(ProviderError, TransientError):
    """The provider asks to slow down."""


class ProviderDataError(ProviderError):
    """The provider answered with data that cannot be right."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give the error and what caused it, outermost first, each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def is_retryable(error: BaseException) -> bool:
    """Tell whether any error in the chain of causes says that trying again may help."""
    return any(getattr(link, "retryable", False) is True for link in causes(error))
