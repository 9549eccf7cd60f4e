import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const when = "2026-11-24T08:00:00+00:00";
const person = (more = {}) => ({
  ...{ id: 5, site: "clinic-a", email: "eve@example.org", organisation: "Clinic", person: "eve", account: "oidc:1" },
  ...{ status: "waiting", tone: "busy", since: when, partition: null, presence: "", presence_tone: "off", last_seen: null },
  ...{ rounds: 0, received: 0, sent: 0, words: "", note: "trusted", can: ["approve", "deny"], has_kit: false },
  ...{ message: "<img src=x>", data: "", requested: when, changed: when, decided_by: "", reason: "", now: when },
  ...{ keys: [], report: null, history: [], partitions: { total: 10, assigned: 3, free: 3 }, ...more },
});
/** @param {object} more */
const opened = async (more = {}) => {
  const page = await open("person", { person: () => person(more) });
  page.document.dispatchEvent(new CustomEvent("blossom:person", { detail: 5 }));
  await until(() => page.one("#person").open);
  return page;
};

test("the drawer has the facts, as text, and what is empty is left out", async () => {
  const page = await opened();
  assert.equal(page.text("#person-name"), "clinic-a");
  assert.match(page.text("#person-facts"), /E-maileve@example\.orgPersoneve \(oidc:1\).*Message<img src=x>$/);
  assert.doesNotMatch(page.text("#person-facts"), /Reason|Work|Their data/);
  assert.equal(page.all("img").length, 0);
  assert.equal(page.text("#person-report"), "join.py has not told anything yet.");
  assert.equal(page.text("#person-keys"), "No key was handed in yet.");
  assert.equal(page.text("#person-history"), "Nothing is written down yet.");
});

test("preflight, keys and history are told", async () => {
  const page = await opened({
    report: { at: when, good: false, checks: [{ name: "torch", ok: false, sentence: "It is missing.", state: "" }] },
    keys: [{ fingerprint: "ab:cd", node: "99", added: when, retired: null }],
    history: [{ at: when, who: "ada", what: "approved", detail: "partition 3", address: "10.0.0.1" }],
    ...{ rounds: 1, received: 2000, sent: 10 },
  });
  assert.match(page.text("#person-report"), /Something is wrong, told .*torch ?It is missing\./);
  assert.match(page.text("#person-keys"), /ab:cdhanded in .*node 99/);
  assert.match(page.text("#person-history"), /ada approved.*partition 3 · from 10\.0\.0\.1/);
  assert.match(page.text("#person-facts"), /Work1 round, 2\.0 kB received, 10 B sent/);
});

test("an admin approves with a partition and keeps a note", async () => {
  const page = await opened();
  assert.equal(page.one("#person-partition").value, "3");
  assert.equal(page.one("#person-partition").max, "9");
  page.type("#person-partition", "4");
  page.submit("form:has(#person-partition)");
  page.type("#person-note", "call them");
  page.submit("form:has(#person-note)");
  assert.deepEqual(page.triggered, [
    { name: "decide", detail: { what: "approve", ids: [5], partition: 4 } },
    { name: "note", detail: { id: 5, text: "call them" } },
  ]);
  page.give({ tone: "good", text: "Kept." });
  await until(() => page.asked.length === 2);
  assert.equal(page.text("#person-said"), "Kept.");
});

test("who is gone is told in the drawer", async () => {
  const page = await open("person", { person: () => ({ error: "There is no such participant." }) });
  page.document.dispatchEvent(new CustomEvent("blossom:person", { detail: 6 }));
  await until(() => page.one("#person").open);
  assert.equal(page.text("#person-said"), "There is no such participant.");
  assert.ok(!page.shown("#person-facts"));
});
