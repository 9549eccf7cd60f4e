import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const STATE = {
  lamps: [
    { name: "SuperLink", tone: "bad", state: "failed", reason: "It ended with code 1.\nlast line" },
    { name: "Executor", tone: "off", state: "stopped", reason: "" },
  ],
  trouble: "",
  mode: "Local mode",
  who: { role: 0, word: "anyone", name: "", provider: "", can_sign_in: true },
  run: { name: "heart", status: "running" },
};
const words = { title: "Live", least: "0", who: "everybody", links: "" };
const header = (/** @type {object} */ state, more = {}) =>
  open("header", { snapshot: () => ({ ...STATE, ...state }) }, { words: { ...words, ...more }, address: "" });

test("programs have a lamp each, and one that failed says why, with its last words", async () => {
  const page = await header({});
  await until(() => page.all("[data-part=lamps] li").length === 2);
  assert.equal(page.text("#lamp-superlink"), "SuperLinkfailed");
  assert.equal(page.one("#lamp-superlink [data-cell=lamp]").dataset.tone, "bad");
  assert.equal(page.text("#alerts [data-cell=sentence]"), "SuperLink: It ended with code 1.");
  assert.equal(page.text("#alerts [data-cell=words]"), "last line");
  assert.equal(page.document.title, "heart · running · BlossomTune");
});

test("who is not signed in gets the way to sign in, and a page above the role says for whom it is", async () => {
  const page = await header({}, { title: "Runs", least: "2", who: "researchers and admins" });
  await until(() => page.shown("#refused"));
  assert.equal(page.text("#refused-why"), "The Runs page is for researchers and admins. Sign in to see it.");
  assert.ok(page.shown("#sign-in"));
  assert.ok(!page.shown("#account"));
  assert.equal(page.document.documentElement.dataset.role, "0");
});

test("a pulse is told to whoever listens, with the last one for who comes later", async () => {
  const page = await header({ trouble: "A disk is full." });
  await until(() => page.all("#alerts > *").length === 2);
  /** @type {string[]} */
  const heard = [];
  page.document.addEventListener("blossom:pulse", (event) => heard.push(/** @type {any} */ (event).detail.trouble));
  page.document.dispatchEvent(new CustomEvent("blossom:listening"));
  assert.deepEqual(heard, ["A disk is full."]);
});
