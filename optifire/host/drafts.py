"""One plugin on its way into the catalog: described, made a job, or kept on its old code."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError, ContractError, OptifireError, PluginFault
from optifire.core.job import Job
from optifire.core.lifecycle import PluginState
from optifire.core.ports import Description
from optifire.core.reading import Rebuild
from optifire.core.settings import OPERATORS, Settings
from optifire.core.types import PluginId, fold_id
from optifire.host.catalog import Catalog, Listed
from optifire.host.described import check_description, plan_document, schema_defaults
from optifire.host.descriptions import Descriptions, describe_all
from optifire.host.discovery import DEFAULT_FILE, Candidate
from optifire.host.documents import Document, read_document
from optifire.host.features import Entry, Features
from optifire.host.findings import Finding
from optifire.host.granting import NOTHING_RESERVED, Reserved, reserved
from optifire.host.home import Home
from optifire.host.jobs import Parts, build_job
from optifire.host.kept_code import KeptCode
from optifire.host.plugin_config import place_of

#: Gives a calendar by name; the second argument is the place that an error names.
CalendarLoader = Callable[[str, str], Awaitable[Calendar]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a catalog is built with, whatever the configuration says."""

    descriptions: Descriptions
    calendars: CalendarLoader
    rebuild: Rebuild | None = None
    kept_code: KeptCode | None = None
    home: Home | None = None
    #: The layers of the sandbox that this machine lacks; None: nobody lays one.
    missing: tuple[str, ...] | None = None

    def reserved(self, plugin_paths: Sequence[str]) -> Reserved:
        """Give the folders that nobody is granted."""
        return NOTHING_RESERVED if self.home is None else reserved(self.home, plugin_paths)


@dataclass(slots=True)
class Draft:
    """One plugin on its way into the catalog."""

    plugin_id: PluginId
    candidate: Candidate | None
    enabled: bool = False
    description: Description | None = None
    entry: Entry | None = None
    job: Job | None = None
    error: OptifireError | None = None
    stale: str = ""
    notes: list[Finding] = field(default_factory=list)

    def listed(self) -> Listed:
        """Give the plugin as the catalog lists it."""
        state = PluginState.ACTIVE if self.job else PluginState.UNLOADED
        reason = "" if self.job else "off"
        if self.error is not None:
            state, reason = PluginState.ERROR, str(self.error)
        return Listed(
            self.plugin_id,
            state,
            self.enabled,
            reason or self.stale,
            self.candidate,
            self.description,
            self.entry,
            self.error,
            self.stale,
        )


async def describe_drafts(
    drafts: Mapping[str, Draft],
    candidates: Mapping[str, Candidate],
    ground: Ground,
    last: Catalog | None,
) -> None:
    """Ask plugins what they are; where that fails, old code that still runs goes on."""
    for key, said in (await describe_all(ground.descriptions, candidates)).items():
        draft = drafts[key]
        fault: OptifireError | None = None
        if isinstance(said, Description):
            try:
                check_description(candidates[key], said)
            except OptifireError as error:
                fault = error
            draft.description = said
            draft.plugin_id = PluginId(said.plugin_id) if fault is None else draft.plugin_id
        else:
            fault = said
        if fault is not None and not (last and _go_on(draft, fault, last, ground.kept_code)):
            draft.error = draft.error or fault


def _go_on(draft: Draft, fault: OptifireError, last: Catalog, kept: KeptCode | None) -> bool:
    """Put the code that runs now in place of the broken one; tell whether that could be done."""
    before = last.plugins.get(fold_id(draft.plugin_id))
    job = last.jobs.get(before.plugin_id) if before else None
    if before is None or job is None or draft.candidate is None or kept is None:
        return False
    copy = kept.find(job.code.checksum, draft.candidate.folder.name)
    if copy is None or before.candidate is None:
        return False
    draft.candidate = replace(
        draft.candidate,
        folder=copy,
        checksum=job.code.checksum,
        modules=job.code.modules,
        manifest=before.candidate.manifest,
        fault=None,
    )
    draft.description, draft.plugin_id = before.description, before.plugin_id
    draft.stale = f"the old code goes on, since the new one is at fault: {fault}"
    return True


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the jobs of described plugins."""

    ground: Ground
    features: Features
    settings: Settings
    variables: Mapping[str, str]
    reserved: Reserved

    async def job_of(self, draft: Draft) -> OptifireError | None:
        """Make the job of one plugin, or give what is wrong with it."""
        candidate, description = draft.candidate, draft.description
        if candidate is None or description is None:
            return None
        try:
            below = [
                *schema_defaults(candidate, description),
                plan_document(candidate, description),
                *_default_file(candidate),
            ]
            entry = draft.entry = self.features.entry(draft.plugin_id, below)
            where = entry.source("calendar") or "market.calendar of config.yaml"
            name = entry.get("calendar") or self.settings.market.calendar
            parts = Parts(
                candidate=candidate,
                description=description,
                entry=entry,
                calendar=await self.ground.calendars(name, where),
                tz=entry.get("tz") or self.settings.market.tz,
                rebuild=self.ground.rebuild,
                variables=self.variables,
                reserved=self.reserved,
                missing=self.ground.missing,
            )
            job, notes = build_job(parts)
            if description.validates_config:
                await self._accepted(candidate, job, entry)
            draft.job = job
        except OptifireError as error:
            return error
        draft.notes += notes
        return None

    async def _accepted(self, candidate: Candidate, job: Job, entry: Entry) -> None:
        """Have the plugin check its configuration; raises `ConfigError` naming both places."""
        try:
            await self.ground.descriptions.accept(candidate, dict(job.config))
        except PluginFault as error:
            where = place_of(entry, (), str(candidate.folder / "impl.py"))
            message = f"{error.message} ({error.where})"
            raise ConfigError(message, where=where, remedy="Correct config") from error


def _default_file(candidate: Candidate) -> list[Document]:
    """Give the plugin's own default file, an entry of features.yaml without ``enabled``."""
    file = candidate.folder / DEFAULT_FILE
    if not file.exists():
        return []
    document = read_document(file)
    for key in sorted(OPERATORS & set(document.data)):
        raise ContractError(
            f"a plugin cannot decide {key} for itself: that is the operator's",
            where=document.where((key,)),
            remedy=f"Remove {key}",
        )
    return [document]


def maker_of(
    ground: Ground, features: Features, settings: Settings, variables: Mapping[str, str] | None
) -> Maker:
    """Give what makes the jobs of one configuration."""
    reserved = ground.reserved(features.plugin_paths)
    return Maker(ground, features, settings, variables or {}, reserved)


async def make_job(draft: Draft, maker: Maker, last: Catalog | None) -> None:
    """Make the job; where new code makes it impossible, old code that still runs goes on."""
    fault = await maker.job_of(draft)
    kept = maker.ground.kept_code
    if fault and last and _is_new_code(draft, last) and _go_on(draft, fault, last, kept):
        fault = await maker.job_of(draft)
    draft.error = fault


def _is_new_code(draft: Draft, last: Catalog) -> bool:
    """Tell whether this plugin ran with other code in the last catalog."""
    job = last.jobs.get(draft.plugin_id)
    return (
        job is not None
        and draft.candidate is not None
        and (job.code.checksum != draft.candidate.checksum)
    )


async def load_one(
    candidate: Candidate,
    *,
    ground: Ground,
    features: Features,
    settings: Settings,
    variables: Mapping[str, str] | None = None,
) -> tuple[Listed, Job | None]:
    """Describe one plugin and make its job as if it were on, whether it is or not.

    Its needs are not looked up: who else runs is a question to the whole catalog.
    """
    draft = Draft(PluginId(candidate.plugin_id), candidate, enabled=True)
    await describe_drafts(
        {candidate.plugin_id: draft}, {candidate.plugin_id: candidate}, ground, None
    )
    if draft.error is None:
        maker = maker_of(ground, features, settings, variables)
        draft.error = await maker.job_of(draft)
    return draft.listed(), draft.job
