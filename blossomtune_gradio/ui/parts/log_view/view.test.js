import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const line = (/** @type {number} */ offset, /** @type {string} */ text, level = "INFO", source = "superlink") => ({
  source,
  offset,
  text,
  level,
  time: "2026-11-27T01:02:03+00:00",
});
const LINES = [line(0, "<b>hostile</b>"), line(9, "disk is full", "ERROR"), line(20, "  "), line(30, "fit", "INFO", "run-7")];
const log = (of = "all", more = {}) =>
  open("log_view", {
    tail: () => ({ lines: LINES, cursor: { superlink: 40 }, more: false, sources: ["superlink", "run-7"] }),
    search: () => ({ lines: [LINES.at(1)] }),
    around: () => ({ lines: LINES }),
  }, { words: { of }, ...more });
const seen = (/** @type {any} */ page) => page.all(".bt-line:not([hidden]) [data-cell=text]").map((/** @type {any} */ node) => node.textContent);

test("lines are text and nothing else, blank ones are left out", async () => {
  const page = await log();
  await until(() => seen(page).length === 3);
  assert.deepEqual(seen(page), ["<b>hostile</b>", "disk is full", "fit"]);
  assert.equal(page.all("#log b").length, 0);
  assert.equal(page.one("[data-line='run-7:30'] a").getAttribute("href"), "runs?run=7&line=30");
});

test("a word and a level choose among what is there; the word is marked", async () => {
  const page = await log();
  await until(() => seen(page).length === 3);
  page.type("#log-search", "DISK");
  assert.deepEqual(seen(page), ["disk is full"]);
  assert.equal(page.text("#log mark"), "disk");
  page.type("#log-search", "");
  page.type("#log-level", "errors");
  assert.deepEqual(seen(page), ["disk is full"]);
});

test("Enter looks in older lines too, an empty search goes on with the live log", async () => {
  const page = await log();
  await until(() => seen(page).length === 3);
  page.type("#log-search", "disk");
  page.submit("[data-part=search]");
  await until(() => page.text("#log-note").startsWith("The newest 1 lines"));
  assert.deepEqual(page.asked.find(({ name }) => name === "search")?.asked, { text: "disk", source: "", level: "" });
  page.type("#log-search", "");
  await until(() => seen(page).length === 3);
});

test("the address of a line shows what stands around it", async () => {
  const page = await log("run", { address: "runs?run=7&line=30" });
  await until(() => page.text("#log-note") === "The lines around the linked one.");
  assert.equal(page.one(".bt-linked").dataset.line, "run-7:30");
  assert.deepEqual(page.asked.find(({ name }) => name === "around")?.asked, { source: "run-7", offset: 30 });
});
