"""Checks what a plugin says of itself: id, metadata, requirements, plan, and its manifest."""

from collections.abc import Mapping
from typing import Any

from optifire.core.errors import ContractError
from optifire.core.ports import Description
from optifire.core.settings import PLAN_FIELDS
from optifire.core.types import fold_id
from optifire.host.checks import Checker
from optifire.host.compat import check_compatible
from optifire.host.config_schema import ConfigSchema
from optifire.host.discovery import Candidate
from optifire.host.documents import Document
from optifire.host.findings import InvalidConfigError
from optifire.host.granting import declared_grants


def plan_document(candidate: Candidate, description: Description) -> Document:
    """Give a plan as the lowest layer of configuration; keys that are None say nothing."""
    said = {key: value for key, value in description.plan.items() if value is not None}
    return Document(f"{candidate.folder / 'impl.py'}: plan()", said)


def schema_defaults(candidate: Candidate, description: Description) -> list[Document]:
    """Give the defaults that a plugin's schema states as a layer below all others.

    Raises `ContractError` when the schema is broken.
    """
    if description.config_schema is None:
        return []
    impl = str(candidate.folder / "impl.py")
    defaults = ConfigSchema(description.config_schema, impl).filled({})
    return [Document(f"{impl}: Config", {"config": defaults})]


def check_description(candidate: Candidate, description: Description) -> None:
    """Raise when what a plugin says of itself cannot be: id, plan, requirements, manifest.

    Raises
    ------
    PluginFault
        Also `ConfigError` for keys and values of the plan; both name the file.
    """
    impl = str(candidate.folder / "impl.py")
    if fold_id(description.plugin_id) != fold_id(candidate.plugin_id):
        raise ContractError(
            f"describe() says the id {description.plugin_id!r} in the folder of "
            f"{candidate.plugin_id!r}",
            where=impl,
            remedy="Rename the folder or the plugin_id, so that both are the same",
        )
    for key, said in candidate.manifest.items():
        stated = description.metadata.get(key)
        if key in description.metadata and _plain(stated) != _plain(said):
            raise ContractError(
                f"the manifest says {key} {said!r}, and describe() says {stated!r}",
                where=impl,
                remedy="Make them agree",
            )
    _check_metadata(description.metadata, impl)
    declared_grants(description.metadata, impl)
    check_compatible(description.metadata, impl)
    document = plan_document(candidate, description)
    findings = list(Checker(document, PLAN_FIELDS).findings(document.data))
    if findings:
        raise InvalidConfigError(findings)


def _check_metadata(metadata: Mapping[str, Any], impl: str) -> None:
    """Raise when a field that jobs are made from is not of its type."""
    for key in ("est_cpu_ms", "est_mem_mb"):
        said = metadata.get(key)
        number = isinstance(said, (int, float)) and not isinstance(said, bool) and said > 0
        if said is not None and not number:
            raise _bad_metadata(key, said, "a number above 0", impl)
    for key in ("inputs", "outputs", "permissions", "requires", "supported_platforms"):
        said = metadata.get(key) or ()
        if not all(isinstance(each, str) and each for each in said):
            raise _bad_metadata(key, said, "a list of texts", impl)
    if metadata.get("observes") not in {None, "", "machine"}:
        raise _bad_metadata("observes", metadata["observes"], '"machine" or nothing', impl)


def _bad_metadata(key: str, said: object, wanted: str, impl: str) -> ContractError:
    return ContractError(
        f"describe() says {key}={said!r}", where=impl, remedy=f"Give {key} as {wanted}"
    )


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
