import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

test("who leaves is asked twice, and the page hears of it", async () => {
  const page = await open("join_leave", { withdraw: () => ({ stage: { name: "withdrawn" } }) }, { address: "join" });
  page.document.dispatchEvent(new CustomEvent("blossom:standing", { detail: { stage: { name: "wait" }, member: null } }));
  assert.equal(page.text("#withdraw"), "Withdraw my request");
  /** @type {string[]} */
  const heard = [];
  page.document.addEventListener("blossom:moved", (event) => heard.push(/** @type {any} */ (event).detail.stage.name));
  page.click("#withdraw");
  assert.ok(page.shown("#withdraw-sure"));
  assert.equal(page.asked.length, 0);
  page.click("#withdraw-yes");
  await until(() => heard.length === 1);
  assert.ok(!page.shown("#withdraw-sure"));
});
