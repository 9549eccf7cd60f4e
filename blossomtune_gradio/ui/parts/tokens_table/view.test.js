import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const token = {
  ...{ id: 7, name: "nightly <b>run</b>", role: "researcher", state: "good", tone: "good", by: "ada" },
  ...{ expires: "2026-12-24T08:00:00+00:00", used: null, can_revoke: true },
};
const tokens = () => ({ rows: [token, { ...token, id: 8, can_revoke: false }], now: "2026-11-24T08:00:00+00:00" });

test("each token is a row, its words as text, and only a good one can be revoked", async () => {
  const page = await open("tokens_table", { tokens });
  await until(() => page.all("tbody tr").length === 2);
  assert.equal(page.text("#token-7 strong"), "nightly <b>run</b>");
  assert.match(page.text("#token-7"), /number 7, by ada.*researcher.*good.*24.*never/);
  assert.ok(page.shown("#token-7 button") && !page.shown("#token-8 button"));
  page.click("#token-7 button");
  assert.deepEqual(page.triggered, [{ name: "revoke", detail: { id: 7 } }]);
  assert.ok(page.one("#token-7 button").disabled);
});

test("a new token's secret is shown until the next answer", async () => {
  const page = await open("tokens_table", { tokens: () => ({ rows: [], now: "" }) });
  await until(() => page.shown("#tokens-empty"));
  page.type("#token-name", "nightly");
  page.submit("#token-form");
  assert.deepEqual(page.triggered, [{ name: "create", detail: { name: "nightly", role: "researcher", days: 30 } }]);
  page.give({ tone: "good", text: "Made.", secret: "bt_abc" });
  assert.equal(page.text("#token-secret"), "bt_abc");
  assert.ok(page.shown("#token-secret") && page.one("#token-name").value === "");
  assert.ok(!page.one("#token-create").disabled);
  page.give({ tone: "bad", text: "No." });
  assert.ok(!page.shown("#token-secret") && page.text("#tokens-said") === "No.");
});
