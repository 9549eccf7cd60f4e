import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const run = (/** @type {number} */ id, more = {}) => ({
  ...{ id, name: `run-${id}`, app: "quick", status: "completed", tone: "good", round: 3, rounds: 3, by: "ada" },
  ...{ created: "2026-11-24T08:00:00+00:00", started: "2026-11-24T08:00:00+00:00", ended: "2026-11-24T08:01:30+00:00" },
  ...{ cause: "", source: "here", tags: ["paper", "<i>"], pinned: false, ...more },
});
const runs = (/** @type {object[]} */ rows, total = rows.length) => () => ({
  ...{ rows, total, page: 25, apps: ["quick"], tags: ["paper"], now: "2026-11-24T09:00:00+00:00" },
});

test("each run is a row that leads to it", async () => {
  const page = await open("run_history", { runs: runs([run(2, { pinned: true }), run(1, { source: "outside" })]) });
  await until(() => page.all("#runs tbody tr").length === 2);
  assert.match(page.text("#run-row-2"), /★ run-2 ?quick · by ada ?paper<i> completed 3 of 3 .* 1 min 30 s/);
  assert.match(page.text("#run-row-1"), /quick · started outside/);
  page.click("#run-row-1 a");
  assert.equal(page.document.location.search, "?run=1");
});

test("a filter starts on the first page, and words say that none fits", async () => {
  const page = await open("run_history", { runs: ({ text }) => (text ? runs([])() : runs([run(1)], 60)()) });
  await until(() => page.shown("#runs-pages"));
  page.click("#runs-older");
  await until(() => page.asked.at(-1)?.asked.offset === 25);
  page.type("#runs-search", "nothing");
  await until(() => page.shown("#runs-empty"));
  assert.deepEqual(page.asked.at(-1)?.asked, { text: "nothing", status: "", app: "", tag: "", pinned: false, offset: 0 });
  assert.match(page.text("#runs-empty"), /No run matches\.Take a filter away\./);
});

test("it asks nothing while one run is shown in full", async () => {
  const page = await open("run_history", { runs: runs([]) }, { address: "runs?run=3" });
  page.document.dispatchEvent(new CustomEvent("blossom:changed"));
  await new Promise((done) => void setImmediate(done));
  assert.equal(page.asked.length, 0);
});
