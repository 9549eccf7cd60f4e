// A card per app. What an app says of itself is put in as text; its README alone is HTML, which
// the server has cleaned, and it is asked for when it is opened.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, each, light, put, putHtml, show } from "../kit/dom.js";
import { tell } from "../kit/talk.js";
import { counted } from "../kit/words.js";

/** @import { Answer, Given, Said, Tone } from "../types/part.d.ts" */
/** @import { AppRow, FieldRow, FindingRow } from "../types/rest.d.ts" */
/** @typedef {{ state: string, rows?: AppRow[], folder?: string }} Apps without rows nothing has changed */
/**
 * @typedef {object} Server
 * @property {(asked: { state: string }) => Promise<Answer<Apps>>} apps
 * @property {(asked: { name: string }) => Promise<Answer<{ html: string }>>} app_readme
 */

/** @type {Record<string, Tone>} */
const TONES = { error: "bad", warning: "busy", note: "off" };
/** @type {Record<string, string>} */
const WORDS = { error: "Error", warning: "Warning", note: "Note" };
const NO_README = "The server did not answer. Close and open it again.";

/** @param {HTMLElement} row @param {FieldRow} field */
const fillSetting = (row, field) => {
  const { key, type, default: value, comment } = cells(row);
  put(key, field.key);
  put(type, field.type);
  put(value, field.default);
  put(comment, field.comment);
};
/** @param {HTMLElement} row @param {FindingRow} finding */
const fillFinding = (row, { level, text }) => {
  row.dataset.tone = TONES[level];
  put(cells(row).level, `${WORDS[level]}: `);
  put(cells(row).text, text);
};
/** @param {HTMLElement} row @param {string[]} fact */
const fillFact = (row, [word, text]) => {
  put(cells(row).word, word);
  put(cells(row).text, text);
};

/** @param {Given<Server, Said>} given */
export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, poll, say } = bind(element, server);
  let state = "";
  /** @type {Map<string, string>} name: what was shown of the app */
  let known = new Map();

  /** @param {string} name @param {HTMLElement} page */
  const openReadme = async (name, page) => {
    const answer = await ask("app_readme", { name });
    if (answer?.html !== undefined) putHtml(page, answer.html);
    else put(page, answer?.error ?? NO_README);
  };
  const create = (/** @type {AppRow} */ app) => {
    const row = copy(find("app"));
    row.id = `app-${app.name}`;
    const found = cells(row);
    for (const name of ["settings", "facts", "readme"]) found[name].id = `app-${name}-${app.name}`;
    const readme = /** @type {HTMLDetailsElement} */ (found.readme);
    readme.addEventListener("toggle", () => readme.open && openReadme(app.name, found["readme-page"]));
    found.deploy.setAttribute("aria-label", `Deploy ${app.name}`);
    found.deploy.addEventListener("click", () => tell("deploy", { app: app.name }));
    return row;
  };
  const fill = (/** @type {HTMLElement} */ row, /** @type {AppRow} */ app) => {
    const found = cells(row);
    put(found.title, app.title);
    light(found.state, app.tone, app.word);
    show(found.deploy, app.tone !== "bad");
    put(found.about, app.about.join("  ·  "));
    put(found.description, app.description);
    show(found.description, Boolean(app.description));
    each(found.findings, app.findings, ({ level, text }) => level + text, find("finding"), fillFinding);
    const count = app.fields.length + app.more_fields;
    put(found.count, counted(count, "setting"));
    show(found.settings, count > 0);
    each(found.fields, app.fields, ({ key }) => key, find("setting"), fillSetting);
    put(found.more, app.more_fields ? `… and ${app.more_fields} more in pyproject.toml.` : "");
    each(found["fact-list"], app.facts, (fact) => fact[0], find("fact"), fillFact);
    show(found.readme, app.has_readme);
    if (/** @type {HTMLDetailsElement} */ (found.readme).open) openReadme(app.name, found["readme-page"]);
  };
  // The form's list follows: an app that came can be chosen, one that was mended has its new fields.
  const tellForm = (/** @type {AppRow[]} */ rows) => {
    const now = new Map(rows.map((row) => [row.name, JSON.stringify(row)]));
    const mended = [...now.keys()].filter((name) => known.has(name) && known.get(name) !== now.get(name));
    known = now;
    tell("apps", { apps: rows.map(({ name, tone }) => ({ name, runnable: tone !== "bad" })), mended });
  };
  const turn = poll(async () => {
    const answer = await ask("apps", { state });
    show(find("fault"), Boolean(answer?.error));
    put(find("fault"), answer?.error ?? "");
    if (!answer?.rows) return;
    state = answer.state ?? "";
    each(find("apps"), answer.rows, ({ name }) => name, create, fill);
    tellForm(answer.rows);
    show(find("empty"), answer.rows.length === 0);
    put(find("folder"), answer.folder ?? "");
    show(find("form"), true);
  }, 5000);

  const make = find("make", HTMLButtonElement);
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    make.disabled = true;
    const [name, title] = [find("name", HTMLInputElement).value, find("title", HTMLInputElement).value];
    trigger("make", { name, title });
  });
  watch("value", () => {
    const { tone, text } = props.value;
    say(tone, text);
    make.disabled = false;
    if (tone === "good") find("form", HTMLFormElement).reset();
    turn();
  });
};
