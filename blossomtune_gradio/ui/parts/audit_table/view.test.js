import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const entry = (/** @type {number} */ id) => ({
  ...{ id, at: "2026-11-24T08:00:00+00:00", who: "ada", actor: "local:ada", action: "run.start" },
  ...{ target: "run-1", target_id: "1", change: "status: queued" },
});
const chain = { tone: "good", word: "whole", sentence: "", entries: 3, checked: "2026-11-24T08:00:00+00:00" };
const now = "2026-11-24T08:00:02+00:00";
const audit = (/** @type {any} */ { before }) =>
  before ? { rows: [entry(1)], total: 3, before: null, chain, now } : { rows: [entry(3), entry(2)], total: 3, before: 2, chain, now };

test("entries are listed, and older ones are on the next page", async () => {
  const page = await open("audit_table", { audit });
  await until(() => page.all("#audit tbody tr").length === 2);
  assert.match(page.text("#audit tbody tr"), /entry 3.*ada.*local:ada.*run\.start.*run-1.*status: queued/);
  assert.equal(page.one("#audit time").getAttribute("datetime"), "2026-11-24T08:00:00+00:00");
  assert.match(page.text("#audit-state"), /3 entries, checked just now/);
  assert.ok(page.one("#audit-newer").disabled && !page.one("#audit-older").disabled);
  page.click("#audit-older");
  await until(() => page.text("#audit-count") === "1 of 3, page 2");
  assert.ok(page.one("#audit-older").disabled && !page.one("#audit-newer").disabled);
  page.click("#audit-newer");
  await until(() => page.text("#audit-count") === "2 of 3, page 1");
});

test("filters go to the server and into the exports, the last day included", async () => {
  const page = await open("audit_table", { audit });
  await until(() => page.asked.length === 1);
  page.type("#audit-actor", "ada");
  page.type("#audit-until", "2026-11-24");
  await until(() => page.asked.length > 1);
  assert.deepEqual(page.asked.at(-1)?.asked, { actor: "ada", until: "2026-11-24", before: null, afresh: false });
  assert.equal(page.one("#audit-csv").getAttribute("href"), "download/audit.csv?actor=ada&until=2026-11-25");
});

test("a broken chain is told", async () => {
  const broken = { ...chain, tone: "bad", word: "broken", sentence: "Entry 2 was changed." };
  const page = await open("audit_table", { audit: () => ({ ...audit({}), chain: broken }) });
  await until(() => page.shown("#audit-broken"));
  assert.match(page.text("#audit-broken"), /^Entry 2 was changed\. Everything before/);
  page.click("#audit-check");
  await until(() => page.asked.at(-1)?.asked.afresh === true);
});
