import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const run = (/** @type {number} */ id, more = {}) => ({
  ...{ id, name: `run-${id}`, app: "quick", status: "running", tone: "live", round: 1, rounds: 3, by: "ada" },
  ...{ created: "2026-11-24T08:00:00+00:00", started: "2026-11-24T08:00:00+00:00", source: "here" },
  ...{ place: 0, stopping: false, stake: "", wait: null, ...more },
});
const queue = () => ({
  rows: [
    run(1, { stake: "It is in round 1 of 3." }),
    run(2, { status: "queued", place: 1, started: null }),
    run(3, { status: "queued", place: 2, started: null }),
  ],
  now: "2026-11-24T08:02:00+00:00",
  slots: 1,
});
const acting = { queue, halt: () => ({ text: "run-1 is being stopped." }), shift: () => ({ error: "It has begun." }) };

test("what runs and what waits, in order", async () => {
  const page = await open("run_queue", acting);
  await until(() => page.all("#queue li").length === 3);
  assert.equal(page.text("#queue-about"), "1 running, 2 waiting · one at a time");
  assert.match(page.text("#queue-1"), /^running run-1quick · by ada · round 1 of 3 · for 2 min 0 s/);
  assert.match(page.text("#queue-2"), /^queued, place 1 run-2.*deployed 2 min ago/);
  const shown = ["up", "down"].flatMap((way) => [1, 2, 3].map((id) => page.shown(`#queue-${id} [data-cell=${way}]`)));
  assert.deepEqual(shown, [false, false, true, false, true, false]);
  assert.equal(page.text("#run-stop-2"), "Cancel");
});

test("what is at stake is asked first", async () => {
  const page = await open("run_queue", acting);
  await until(() => page.all("#queue li").length === 3);
  page.click("#run-stop-1");
  assert.match(page.text("#queue-1"), /It is in round 1 of 3\./);
  assert.equal(page.asked.length, 1);
  page.click("#run-stop-1-yes");
  await until(() => page.text("#queue-said") === "run-1 is being stopped.");
  assert.ok(page.asked.some(({ name, asked }) => name === "halt" && asked.id === 1));
});

test("a move that the server refuses is told", async () => {
  const page = await open("run_queue", acting);
  await until(() => page.all("#queue li").length === 3);
  page.click("#queue-3 [data-cell=up]");
  await until(() => page.text("#queue-said") === "It has begun.");
  assert.ok(page.asked.some(({ name, asked }) => name === "shift" && asked.id === 3 && asked.direction === "up"));
  assert.ok(!page.one("#queue-3 [data-cell=up]").disabled);
});

test("no answer is told apart from nothing to do", async () => {
  const page = await open("run_queue", { ...acting, queue: () => ({ error: "Sign in." }) });
  await until(() => page.text("#queue-empty") === "Not known while the server does not answer.");
  const calm = await open("run_queue", { ...acting, queue: () => ({ rows: [], now: "", slots: 1 }) });
  await until(() => calm.text("#queue-empty") === "Nothing runs and nothing waits.");
});
