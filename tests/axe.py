"""axe-core on a page: what people with a screen reader, weak eyes or no mouse stumble on."""

from __future__ import annotations

from typing import Any

from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import Page

_RUN = """
async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map(({ id, impact, help, nodes }) =>
    `${id} (${impact}): ${help}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`);
}
"""


def violations(page: Page) -> list[Any]:
    """A sentence with the selectors for each rule that the page breaks, as it looks now."""
    page.evaluate(AXE_SCRIPT)
    found: list[Any] = page.evaluate(_RUN)
    return found
