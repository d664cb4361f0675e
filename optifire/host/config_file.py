"""``configs/config.yaml``: the system's settings."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from optifire.core.errors import UsageError
from optifire.core.quiet_hours import parse_span
from optifire.core.settings import (
    CONFIG_FIELDS,
    BackupSettings,
    DataSettings,
    DemoSettings,
    MarketSettings,
    RetentionSettings,
    Settings,
    SystemSettings,
)
from optifire.core.settings_alerts import AlertSettings
from optifire.core.settings_api import ApiSettings
from optifire.core.settings_live import RENAMED
from optifire.host.checks import Checker, check_value
from optifire.host.documents import Document, read_document
from optifire.host.findings import Finding, InvalidConfigError, Level


def read_settings(file: Path | None) -> tuple[Settings, Document | None]:
    """Give the settings of a file, or the defaults where there is no file.

    Raises
    ------
    ConfigError
        With file, line and key; `InvalidConfigError` holds all that is wrong.
    """
    if file is None:
        return Settings(), None
    document = read_document(file)
    return settings_of(document), document


def settings_of(document: Document) -> Settings:
    """Give the settings that a document states, the defaults for all others."""
    findings = list(Checker(document, CONFIG_FIELDS).findings(document.data))
    if findings:
        raise InvalidConfigError(findings)
    values: dict[str, dict[str, Any]] = {}
    for setting in CONFIG_FIELDS:
        section, key = setting.path
        given = document.data.get(section) or {}
        if key in given:
            name = RENAMED.get(key, key)
            values.setdefault(section, {})[name] = check_value(setting, given[key])
    settings = Settings(
        system=SystemSettings(**values.get("system", {})),
        data=DataSettings(**values.get("data", {})),
        demo=DemoSettings(**values.get("demo", {})),
        market=MarketSettings(**values.get("market", {})),
        backup=BackupSettings(**values.get("backup", {})),
        retention=RetentionSettings(**values.get("retention", {})),
        api=ApiSettings(**values.get("api", {})),
        alerts=AlertSettings(**values.get("alerts", {})),
    )
    findings = _contradictions(settings, document)
    if findings:
        raise InvalidConfigError(findings)
    return settings


def _contradictions(settings: Settings, document: Document) -> list[Finding]:
    found: list[Finding] = []
    demo = settings.demo
    if demo.first > demo.last:
        message = f"the demo would start at {demo.first} and end at {demo.last}"
        where = document.where(("demo", "from"))
        found.append(Finding("config", Level.ERROR, where, message, "Set from before to"))
    zones = {("market", "tz"): settings.market.tz, ("alerts", "tz"): settings.alerts.tz}
    for path, zone in zones.items():
        if zone is not None and not _is_zone(zone):
            remedy = "Write an IANA name such as America/New_York"
            message = f"no time zone {zone!r}"
            found.append(Finding("config", Level.ERROR, document.where(path), message, remedy))
    if settings.alerts.quiet_hours is not None:
        try:
            parse_span(settings.alerts.quiet_hours)
        except UsageError as error:
            where = document.where(("alerts", "quiet_hours"))
            found.append(Finding("config", Level.ERROR, where, error.message, error.remedy))
    return found + _exposed(settings.api, document)


def _exposed(api: ApiSettings, document: Document) -> list[Finding]:
    """Refuse an API in clear text where others can listen, and half a pair of TLS files."""
    found: list[Finding] = []
    if (api.tls_certificate is None) != (api.tls_key is None):
        key = "tls_key" if api.tls_key is None else "tls_certificate"
        there = "tls_certificate" if api.tls_key is None else "tls_key"
        where = document.where(("api", there))
        message = f"api.{there} without api.{key}"
        found.append(Finding("config", Level.ERROR, where, message, f"Set api.{key} too"))
    if api.is_reachable and not api.has_tls and not api.behind_proxy:
        message = f"the API would send tokens in clear text at {api.host}"
        remedy = (
            "Set api.tls_certificate and api.tls_key, or api.behind_proxy: true where a proxy "
            "with TLS stands before it, or api.host: 127.0.0.1"
        )
        where = document.where(("api", "host"))
        found.append(Finding("config", Level.ERROR, where, message, remedy))
    return found


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
