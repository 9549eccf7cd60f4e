import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "../testing.js";

const NOW = "2026-11-27T01:02:03+00:00";
const RUN = { name: "heart", app: "message_app", status: "running", tone: "live", why: "", round: 2, rounds: 3, answers: "1 of 2 answered", started: NOW, ended: null };
const STATE = { run: null, sites: [], approved: 0, online: 0, running: false, now: NOW, queued: 0, who: { role: 3 } };
const told = async (/** @type {object} */ state) => {
  const page = await open("overview", {}, { address: "" });
  page.document.dispatchEvent(new CustomEvent("blossom:pulse", { detail: { ...STATE, ...state } }));
  return page;
};

test("without a run the page says what comes next", async () => {
  const page = await told({});
  assert.equal(page.text("[data-part=empty-lead]"), "Nothing is running yet.");
  assert.ok(page.shown("[data-part=no-sites]"));
});

test("a run has its round and a segment for each of them", async () => {
  const page = await told({ run: RUN, queued: 2 });
  assert.equal(page.text("#run-round"), "Round 2 of 3 · 1 of 2 answered");
  assert.deepEqual(page.all("#run-progress span").map((one) => one.style.getPropertyValue("--done")), ["1", "0", "0"]);
  assert.ok(page.text("#run-about").endsWith("2 more in the queue"));
});

test("sites stand by name with how they are", async () => {
  const sites = [{ name: "North", partition: 0, tone: "good", presence: "online", last_seen: NOW }];
  const page = await told({ sites, approved: 1, online: 1 });
  assert.equal(page.text("#sites li"), "Northpartition 0onlineseen just now");
  assert.equal(page.text("#sites-online"), "1 of 1 online");
});
