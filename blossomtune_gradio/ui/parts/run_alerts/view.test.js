import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const kinds = [{ kind: "run_finished", words: "a run finished" }, { kind: "run_failed", words: "a run failed" }];
const hook = {
  ...{ id: 4, url: "https://example.org/<b>", events: ["a run failed"], by: "ada", status: "given up" },
  ...{ tone: "bad", error: "Refused.", tries: 5 },
};
const state = (more = {}) => ({ kinds, wished: ["run_failed"], email: "ada@example.org", email_is_known: true, hooks: [hook], ...more });

test("wishes are ticked, and kept as they stand", async () => {
  const page = await open("run_alerts", { alerts: () => state(), wish: () => state({ text: "Saved." }) });
  await until(() => page.all("#alert-wishes input[type=checkbox]").length === 2);
  assert.deepEqual(["run_finished", "run_failed"].map((kind) => page.one(`#alert-${kind}`).checked), [false, true]);
  assert.ok(page.one("#alert-email").disabled && page.one("#alert-email").value === "ada@example.org");
  page.click("#alert-run_finished");
  page.submit("#alert-wishes");
  await until(() => page.text("#alerts-said") === "Saved.");
  assert.deepEqual(page.asked.at(-1)?.asked, { kinds: ["run_finished", "run_failed"], email: "ada@example.org" });
  assert.ok(page.one("#alert-run_finished").checked); // the person's, whatever the server had
});

test("a webhook shows its last delivery, is tested and deleted", async () => {
  const page = await open("run_alerts", { alerts: () => state(), probe: () => state(), unhook: () => state({ hooks: [] }) });
  await until(() => page.all("#hooks li").length === 1);
  assert.match(page.text("#hook-row-4"), /https:\/\/example\.org\/<b>.*a run failed · by ada.*given up.*Refused\. Tried 5 times\./);
  page.click("#hook-row-4 [data-cell=test]");
  await until(() => page.asked.at(-1)?.name === "probe");
  page.click("#hook-row-4 [data-cell=delete]");
  await until(() => page.all("#hooks li").length === 0);
  assert.deepEqual(page.asked.at(-1), { name: "unhook", asked: { id: 4 } });
});

test("the secret of a new webhook is shown; a bad address stays where it was typed", async () => {
  let good = false;
  const page = await open("run_alerts", {
    alerts: () => state(),
    hook: () => (good ? state({ secret: "whsec_x" }) : { error: "That is no address." }),
  });
  await until(() => page.all("#hooks li").length === 1);
  page.type("#hook-url", "nonsense");
  page.submit("#hook-form");
  await until(() => page.text("#alerts-said") === "That is no address.");
  assert.equal(page.one("#hook-url").value, "nonsense");
  good = true;
  page.submit("#hook-form");
  await until(() => page.shown("#hook-secret"));
  assert.match(page.text("#hook-secret"), /whsec_x$/);
  assert.equal(page.one("#hook-url").value, "");
});
