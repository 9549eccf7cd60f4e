import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const NOW = "2026-11-27T01:02:03+00:00";
const STAGE = { name: "wait", step: 2, tone: "busy", turn: "An admin's turn", title: "Waiting", lead: "", next: "", ended: false, all_done: false };
const STATE = { at: 1, now: NOW, stage: STAGE, steps: ["Ask", "Prove", "Approval", "Kit"], member: null, sign_in: [], request: { site: "North", email: "n@example.org", organisation: "", since: NOW } };

test("steps, facts and headline are those of the standing, which the parts below hear too", async () => {
  const page = await open("join", { stand: () => STATE }, { address: "join" });
  await until(() => page.all("#join-steps li").length === 4);
  assert.deepEqual(page.all("#join-steps li").map((step) => step.dataset.state), ["done", "done", "now", "todo"]);
  assert.equal(page.text("#join-steps [aria-current]"), "3Approval, you are here");
  assert.equal(page.text("#join-facts"), "SiteNorthE-mailn@example.org");
  /** @type {string[]} */
  const heard = [];
  page.document.addEventListener("blossom:standing", (event) => heard.push(/** @type {any} */ (event).detail.stage.name));
  page.document.dispatchEvent(new CustomEvent("blossom:ask-standing"));
  assert.deepEqual(heard, ["wait"]);
});

test("an answer that was overtaken by a move is left out", async () => {
  const page = await open("join", { stand: () => STATE }, { address: "join" });
  await until(() => page.text("#join-title") === "Waiting");
  const tell = (/** @type {number} */ at, /** @type {string} */ title) =>
    page.document.dispatchEvent(new CustomEvent("blossom:moved", { detail: { ...STATE, at, stage: { ...STAGE, title, name: title } } }));
  tell(3, "Withdrawn");
  tell(2, "Too late");
  assert.equal(page.text("#join-title"), "Withdrawn");
  assert.ok(page.text("#join-news").startsWith("Withdrawn."));
});
