import assert from "node:assert/strict";
import { test } from "node:test";
import { open, until } from "../testing.js";

const app = (/** @type {string} */ name, more = {}) => ({
  ...{ name, title: `${name} <b>`, tone: "good", word: "ready", description: "Does much.", about: ["1.0", "Message API"] },
  ...{ findings: [{ level: "warning", tone: "busy", text: "No README." }], more_fields: 0, facts: [["Hash", "abc"]] },
  ...{ fields: [{ key: "lr", type: "float", default: "0.1", comment: "step" }], has_readme: true, ...more },
});
/** @param {any} page @param {string} name */
const told = (page, name) => {
  /** @type {any[]} */
  const heard = [];
  page.addEventListener(`blossom:${name}`, (/** @type {CustomEvent} */ event) => heard.push(event.detail));
  return heard;
};

test("a card says what the app is, and its findings and settings", async () => {
  const page = await open("apps", { apps: () => ({ state: "1", rows: [app("one"), app("two", { tone: "bad" })], folder: "/a" }) });
  await until(() => page.all("#app-list > li").length === 2);
  assert.match(page.text("#app-one"), /one <b>ready.*1\.0 · Message API.*Does much\..*Warning: No README\..*1 setting/);
  assert.match(page.text("#app-settings-one tbody"), /lr ?float ?0\.1 ?step/);
  assert.match(page.text("#app-facts-one dl"), /Hash ?abc/);
  assert.ok(page.shown("#app-one [data-cell=deploy]") && !page.shown("#app-two [data-cell=deploy]"));
  const deploys = told(page.document, "deploy");
  page.click("#app-one [data-cell=deploy]");
  assert.deepEqual(deploys, [{ app: "one" }]);
  assert.equal(page.one("#app-one h3").childElementCount, 0); // text, no markup
});

test("a README is asked for when it is opened", async () => {
  const page = await open("apps", {
    apps: () => ({ state: "1", rows: [app("one")] }),
    app_readme: () => ({ html: "<p>Read <em>me</em></p>" }),
  });
  await until(() => page.all("#app-list > li").length === 1);
  page.one("#app-readme-one").open = true;
  await until(() => page.all("#app-readme-one em").length === 1);
  assert.deepEqual(page.asked.at(-1), { name: "app_readme", asked: { name: "one" } });
});

test("the form is told which apps there are and which was mended", async () => {
  let fields = 1;
  const page = await open("apps", { apps: () => ({ state: String(fields), rows: [app("one", { more_fields: fields }), app("two")] }) });
  await until(() => page.all("#app-list > li").length === 2);
  const news = told(page.document, "apps");
  fields = 2;
  page.give({ tone: "good", text: "two is ready." });
  await until(() => news.length);
  assert.deepEqual(news.at(0).mended, ["one"]);
  assert.deepEqual(news.at(0).apps, [{ name: "one", runnable: true }, { name: "two", runnable: true }]);
  assert.match(page.text("#app-settings-one"), /… and 2 more in pyproject\.toml/);
});

test("a new app is made from what was typed, which stays when it is refused", async () => {
  const page = await open("apps", { apps: () => ({ state: "1", rows: [] }) });
  await until(() => page.shown("#new-app"));
  page.type("#new-app-name", "heart");
  page.submit("#new-app");
  assert.deepEqual(page.triggered, [{ name: "make", detail: { name: "heart", title: "" } }]);
  page.give({ tone: "bad", text: "It is there already." });
  assert.equal(page.one("#new-app-name").value, "heart");
  page.give({ tone: "good", text: "Made." });
  assert.equal(page.one("#new-app-name").value, "");
  assert.ok(!page.one("#new-app-make").disabled);
});
