"""What sites lack for an app, said before a run: packages and keys of `[node_config]`.

Only sites that are online count, and only what they reported: of what a site has not told, nothing
is said. None of it stops a run, as the code may never come to that line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blossomtune_gradio.flower.apps.facts import FlowerApp
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.reports import SiteReports
from blossomtune_gradio.services.sites.service import SiteService

_MOST_SITES = 5  # named in one sentence


class SiteLacks:
    """Compares apps with what sites told of themselves."""

    def __init__(self, sites: SiteService, reports: SiteReports) -> None:
        self._sites, self._reports = sites, reports

    def of(self, app: FlowerApp, by: User) -> list[str]:
        """A sentence for each thing that sites lack, with their names; empty when all is there."""
        require(by, Role.RESEARCHER, "see what sites lack")
        online = [site for site in self._sites.sites(by) if site.presence is Presence.ONLINE]
        told = self._reports.told([site.participant_id for site in online])
        reports = [(site.name, told.get(site.participant_id, {})) for site in online]
        return [
            *_missing_packages(app.needs.modules, reports),
            *_missing_keys(app.needs.keys, reports),
        ]


def _missing_packages(
    modules: Mapping[str, str], reports: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[str]:
    lacking: dict[str, list[str]] = {}
    for module, package in modules.items():
        names = [name for name, told in reports if told.get("modules", {}).get(module) == ""]
        if names:
            lacking.setdefault(_listed(names), []).append(package)
    return [
        f"{sites} {'lack' if ' and ' in sites or ',' in sites else 'lacks'} {', '.join(packages)}."
        for sites, packages in lacking.items()
    ]


def _missing_keys(
    keys: Sequence[str], reports: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[str]:
    said = []
    for key in keys:
        names = [name for name, told in reports if key not in told.get("node_keys", (key,))]
        if names:
            said.append(f"{key} is not set under [node_config] at {_listed(names)}.")
    return said


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_SITES:
        more = len(names) - _MOST_SITES
        return f"{', '.join(names[:_MOST_SITES])} and {more} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
