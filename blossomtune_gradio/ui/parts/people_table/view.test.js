import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const when = "2026-11-24T08:00:00+00:00";
const person = (/** @type {number} */ id, more = {}) => ({
  ...{ id, site: `site-${id}`, email: `s${id}@example.org`, organisation: "<b>Org</b>", status: "waiting", tone: "busy" },
  ...{ since: when, partition: null, presence: "", presence_tone: "off", last_seen: null, rounds: 0, received: 0, sent: 0 },
  ...{ words: "please", note: "", can: ["approve", "deny"], has_kit: false, ...more },
});
const counts = { confirmed: 3, requested: 0, denied: 0, withdrawn: 0, approved: 0, revoked: 0 };
const presences = { online: 0, offline: 0, registered: 0, "no key": 0 };
const page1 = (more = {}) => ({
  ...{ view: "requests", rows: [person(1), person(2), person(3)], total: 3, page: 0, size: 25, counts, presences },
  ...{ partitions: { total: 10, assigned: 0, free: 0 }, drift: [], now: when, ...more },
});
/** @param {(asked: any) => object} people */
const opened = async (people = () => page1()) => {
  const page = await open("people_table", { people });
  await until(() => page.asked.length && page.one("#people-panel").dataset.view);
  return page;
};

test("each participant is a row, all of it text", async () => {
  const page = await opened();
  assert.match(page.text("#participant-1"), /site-1s1@example\.org · <b>Org<\/b> waitingjust now.*please/);
  assert.equal(page.all("#participants b").length, 0);
  assert.equal(page.text("#people-range"), "1–3 of 3");
  assert.ok(!page.shown("#people-previous"));
  assert.match(page.text("#chip-confirmed"), /Waiting ?3/);
});

test("one click approves; a refusal asks for the reason first", async () => {
  const page = await opened();
  page.click("#approve-1");
  assert.deepEqual(page.triggered, [{ name: "decide", detail: { what: "approve", ids: [1] } }]);
  assert.ok(page.one("#approve-2").disabled);
  page.give({ tone: "good", text: "site-1 is approved.", done: [1] });
  assert.ok(!page.one("#approve-2").disabled && page.text("#participants-said") === "site-1 is approved.");
  page.click("#deny-2");
  assert.ok(page.one("#people-decide").open);
  assert.equal(page.text("#decide-title"), "Deny site-2?");
  page.type("#decide-reason", "not now");
  page.submit("#people-decide form");
  assert.deepEqual(page.triggered.at(-1), { name: "decide", detail: { what: "deny", ids: [2], reason: "not now" } });
  assert.ok(!page.one("#people-decide").open);
});

test("many are decided at once, and what was refused is listed by name", async () => {
  const page = await opened();
  page.click("#choose-all");
  assert.equal(page.text("#people-selected"), "3 selected");
  page.click("#choose-3");
  assert.ok(page.one("#choose-all").indeterminate);
  assert.ok(page.one("#participant-1").classList.contains("bt-chosen"));
  page.click("#bulk-approve");
  assert.deepEqual(page.triggered, [{ name: "decide", detail: { what: "approve", ids: [1, 2] } }]);
  const refused = [{ id: 1, text: "no partition" }, { id: 2, text: "gone" }];
  page.give({ tone: "bad", text: "None was approved.", refused });
  assert.match(page.text("#participants-said"), /site-1: no partition.*site-2: gone/);
  page.click("#bulk-clear");
  assert.ok(!page.shown("#people-bulk") && !page.one("#choose-1").checked);
});

test("the selection outlives a page, with who is on another one", async () => {
  const rows = [[person(1)], [person(2)]];
  const page = await opened(({ page: number }) => page1({ rows: rows.at(number), total: 2, size: 1, page: number }));
  page.click("#choose-1");
  page.click("#people-next");
  await until(() => page.all("#participant-2").length);
  page.click("#choose-2");
  page.click("#bulk-deny");
  assert.equal(page.text("#decide-title"), "Deny 2 requests?");
  assert.ok(page.one("#people-next").disabled && !page.one("#people-previous").disabled);
});

test("searching, sorting, chips and tabs ask the server", async () => {
  const page = await opened();
  const last = () => page.asked.at(-1)?.asked;
  page.type("#people-search", "clinic");
  await until(() => last().search === "clinic");
  page.click("#sort-site");
  await until(() => last().sort === "site");
  await until(() => page.one("th[data-sort=site]").getAttribute("aria-sort") === "ascending");
  page.click("#sort-site");
  await until(() => last().descending === true);
  page.click("#chip-denied");
  await until(() => last().status === "denied");
  page.click("#people-sites");
  await until(() => last().view === "sites");
  assert.deepEqual(last(), { view: "sites", search: "clinic", status: "", presence: "", sort: "", descending: false, page: 0 });
});

test("sites have kits, a connection and partitions that can be changed", async () => {
  const site = person(9, { status: "approved", has_kit: true, can: ["revoke"], partition: 4, presence: "online", rounds: 2, received: 5000, sent: 1 });
  const page = await opened(() => page1({ view: "sites", rows: [site], total: 1, drift: [{ text: "Put right.", at: when }] }));
  assert.match(page.text("#participant-9"), /4 online ?2 rounds5\.0 kB in, 1 B out/);
  assert.equal(page.one("#kit-9").getAttribute("href"), "download/kit/9");
  assert.equal(page.text("#people-drift"), "Put right. (just now)");
  assert.match(page.text("#people-use, #partitions-use"), /0 with an owner, lowest free: 0/);
  page.type("#partitions-total", "12");
  assert.ok(!page.one("#partitions-save").disabled);
  page.submit("form:has(#partitions-total)");
  assert.deepEqual(page.triggered, [{ name: "partitions", detail: { total: 12 } }]);
});

test("words say why there is no row", async () => {
  const nobody = Object.fromEntries(Object.keys(counts).map((word) => [word, 0]));
  const page = await opened(() => page1({ rows: [], total: 0, counts: nobody }));
  await until(() => page.shown("#participants-empty"));
  assert.match(page.text("#participants-empty"), /^Nobody has asked for access yet\./);
  const calm = await opened(() => page1({ rows: [], total: 0 }));
  assert.match(calm.text("#participants-empty"), /^Nobody waits\./);
});
