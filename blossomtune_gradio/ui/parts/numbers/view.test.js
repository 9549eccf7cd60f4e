import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "../testing.js";

test("new points are asked for once, and the answer is drawn as legend and table", async () => {
  const page = await open("numbers", {}, { address: "", words: { of: "newest" } });
  const pulse = () => page.document.dispatchEvent(new CustomEvent("blossom:pulse", { detail: { run: { id: 7, points: 2 } } }));
  pulse();
  pulse();
  assert.deepEqual(page.triggered, [{ name: "grown", detail: { id: 7 } }]);
  page.give({ drawn: [7, 2], columns: ["round", "loss"], rows: [["1", "0.5"]], legend: [["server", "#c2517f"]] });
  pulse();
  assert.equal(page.triggered.length, 1);
  assert.equal(page.text("#legend li"), "server");
  assert.deepEqual(page.all("th").map((cell) => cell.textContent), ["round", "loss"]);
  assert.equal(page.text("tbody"), "10.5");
});
