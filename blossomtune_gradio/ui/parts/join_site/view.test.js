import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const NOW = "2026-11-27T01:02:03+00:00";
const WAYS = { commands: [{ what: "Unpack", text: "unzip kit.zip" }], needs: [], systemd: [], docker: [], own_key: [], plain: [] };
const STATE = {
  now: NOW,
  stage: { name: "kit" },
  member: { kit: "download/kit/3", partition: 1, partitions: 4, token_hours: 24 },
  report: { at: NOW, checks: [{ name: "Python", state: "good", tone: "good", sentence: "3.11" }] },
  runs: [{ id: 7, name: "heart", app: "message_app", round: 1, rounds: 3, cause: "", tone: "live", status: "running" }],
};

test("kit, commands, checks and runs of the site; the commands are asked for once", async () => {
  const page = await open("join_site", { ways: () => WAYS }, { address: "join" });
  const tell = () => page.document.dispatchEvent(new CustomEvent("blossom:standing", { detail: STATE }));
  tell();
  await until(() => page.all("#kit-commands li").length === 1);
  tell();
  assert.equal(page.text("#kit-commands pre"), "unzip kit.zip");
  assert.equal(page.one("#kit-commands button").getAttribute("aria-label"), "Copy: Unpack");
  assert.equal(page.one("#kit-link").getAttribute("href"), "download/kit/3");
  assert.equal(page.text("#checks li"), "goodPython3.11");
  assert.equal(page.text("#my-runs li"), "heartmessage_app · round 1 of 3running");
  assert.equal(page.asked.filter(({ name }) => name === "ways").length, 1);
});

test("a key that is refused says so and stays", async () => {
  const page = await open("join_site", { ways: () => WAYS, own_key: () => ({ error: "That is no signature." }) }, { address: "join" });
  page.document.dispatchEvent(new CustomEvent("blossom:standing", { detail: STATE }));
  page.type("#own-key-text", "abc");
  page.submit("#own-key");
  await until(() => page.shown("#own-key-said"));
  assert.equal(page.text("#own-key-said"), "That is no signature.");
  assert.equal(page.one("#own-key-text").value, "abc");
});
