import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const mail = (/** @type {number} */ id, /** @type {object} */ more) => ({
  ...{ id, status: "sent", recipient: "eve@example.org", subject: `Mail ${id}`, body: "", tries: 1, error: "" },
  ...{ created: "2026-11-24T08:00:00+00:00", sent: "2026-11-24T08:00:00+00:00", next_try: null, ...more },
});
const mails = (/** @type {object[]} */ rows, more = {}) => () => ({
  ...{ rows, sentence: "The mail server answers.", tone: "good", can_try: false, delivers: true, readable: false },
  ...{ now: "2026-11-24T08:05:00+00:00", ...more },
});

test("each mail says how it stands, and one of unknown fate can be sent again", async () => {
  const page = await open("outbox", {
    mails: mails([
      mail(1, {}),
      mail(2, { status: "unknown", error: "timed out" }),
      mail(3, { status: "failed", next_try: "2026-11-24T08:06:00+00:00", tries: 2 }),
      mail(4, { status: "dropped", error: "no longer needed" }),
    ]),
  });
  await until(() => page.all("#outbox li").length === 4);
  const lines = page.all("#outbox li").map((row) => row.textContent);
  assert.match(String(lines.at(0)), /Mail 1.*sent.*to eve@example.org {2}· {2}sent 5 min ago/s);
  assert.match(String(lines.at(1)), /unknown whether it arrived.*timed out/s);
  assert.match(String(lines.at(2)), /trying again.*2 tries {2}· {2}next try/s);
  assert.match(String(lines.at(3)), /no longer needed/);
  assert.deepEqual(page.all("#outbox button").map((button) => button.hidden), [true, false, true, true]);
  assert.ok(page.shown("#outbox-secret"));
  page.click("#outbox li:has(button:not([hidden])) button");
  assert.deepEqual(page.triggered, [{ name: "send_again", detail: { id: 2 } }]);
});

test("without a mail server waiting is no trouble, and trying again is offered where it helps", async () => {
  const page = await open("outbox", { mails: mails([mail(1, { status: "queued" })], { delivers: false, can_try: true }) });
  await until(() => page.all("#outbox li").length === 1);
  assert.equal(page.one("#outbox .bt-lamp").dataset.tone, "off");
  page.click("#outbox-again");
  assert.ok(page.one("#outbox-again").disabled && page.triggered.at(0)?.name === "again");
  page.give({ tone: "good", text: "One was sent." });
  assert.ok(!page.one("#outbox-again").disabled && page.text("#outbox-said") === "One was sent.");
});
