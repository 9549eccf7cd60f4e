import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const ADA = { id: "dev:ada", username: "ada", name: "Ada", email: "", provider: "Dev", role: "participant", tone: "off", because: "signed in", last_seen: null, can: "grant" };

test("each account has its role and what can be done, which is asked of the server by its id", async () => {
  const page = await open("roles_table", { accounts: () => ({ rows: [ADA], now: "2026-11-27T01:02:03+00:00" }) }, { address: "admin" });
  await until(() => page.all("#roles tbody tr").length === 1);
  assert.equal(page.text("#roles tbody [data-label=Person]"), "adaAda · Dev");
  assert.deepEqual(page.all("#roles tbody button").map((one) => one.textContent), ["Make researcher", "Sign out"]);
  page.click("[data-what=grant]");
  assert.deepEqual(page.triggered, [{ name: "change_role", detail: { id: "dev:ada", what: "grant" } }]);
  page.give({ tone: "good", text: "ada is researcher now." });
  assert.equal(page.text("#roles-said"), "ada is researcher now.");
  assert.ok(!page.one("[data-what=grant]").disabled);
});
