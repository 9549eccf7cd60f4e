import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const lamps = (/** @type {string} */ state, tone = "good") => [{ name: "SuperLink", state, tone }, { name: "Executor", state, tone }];
const panel = async (/** @type {object[]} */ programs, stakes = "") => {
  const page = await open("superlink", { stakes: () => ({ text: stakes }) }, { address: "admin" });
  page.document.dispatchEvent(new CustomEvent("blossom:pulse", { detail: { lamps: programs, entrance: "" } }));
  return page;
};

test("a stopped SuperLink can be started, and says what came of it", async () => {
  const page = await panel(lamps("stopped", "off"));
  assert.ok(page.one("#superlink-stop").disabled);
  page.click("#superlink-start");
  assert.deepEqual(page.triggered.map(({ name }) => name), ["start"]);
  assert.equal(page.text("#superlink-start"), "Starting…");
  page.give({ tone: "good", text: "It starts." });
  assert.equal(page.text("#superlink-said"), "It starts.");
});

test("a stop that costs something is asked first", async () => {
  const page = await panel(lamps("running"), "heart would end.");
  page.click("#superlink-stop");
  await until(() => page.all(".bt-confirm").length === 1);
  assert.ok(page.text(".bt-confirm").startsWith("heart would end."));
  assert.equal(page.triggered.length, 0);
  page.click("#superlink-stop-yes");
  assert.deepEqual(page.triggered.map(({ name }) => name), ["stop"]);
  assert.equal(page.all(".bt-confirm").length, 0);
});
