import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const NOW = new Date().toISOString();
const STATE = { now: NOW, stage: { name: "ask", ended: false }, request: null, code: null, suggest: { email: "n@example.org" } };
const form = async (/** @type {Record<string, (asked: any) => unknown>} */ moves) => {
  const page = await open("join_form", moves, { address: "join" });
  page.document.dispatchEvent(new CustomEvent("blossom:standing", { detail: STATE }));
  return page;
};

test("what is typed is asked for, and a fault stands at its field with nothing lost", async () => {
  const page = await form({ ask: () => ({ error: "Two sites have that name.", field: "site" }) });
  assert.equal(page.one("#ask-email").value, "n@example.org");
  page.type("#ask-site", "North");
  page.submit("#ask");
  await until(() => page.shown("#ask-site-wrong"));
  assert.equal(page.text("#ask-site-wrong"), "Two sites have that name.");
  assert.equal(page.one("#ask-site").getAttribute("aria-invalid"), "true");
  assert.equal(page.one("#ask-site").value, "North");
  assert.equal(page.asked.find(({ name }) => name === "ask")?.asked.site, "North");
});

test("a move that was made is told to the page", async () => {
  const next = { ...STATE, stage: { name: "prove", ended: false } };
  const page = await form({ ask: () => next });
  /** @type {string[]} */
  const heard = [];
  page.document.addEventListener("blossom:moved", (event) => heard.push(/** @type {any} */ (event).detail.stage.name));
  page.submit("#ask");
  await until(() => heard.length === 1);
  assert.deepEqual(heard, ["prove"]);
});
