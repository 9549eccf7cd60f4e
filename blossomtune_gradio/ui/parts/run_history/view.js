// All runs, newest first; the server searches, filters and pages.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, each, light, make, put, show } from "../kit/dom.js";
import { hear, inAddress, lead } from "../kit/talk.js";
import { moment, seconds, span } from "../kit/words.js";

/** @import { Answer, Given } from "../types/part.d.ts" */
/** @import { RunRow } from "../types/rest.d.ts" */
/** @typedef {{ rows: RunRow[], total: number, page: number, apps: string[], tags: string[], now: string }} Page */
/** @typedef {{ runs: (asked: object) => Promise<Answer<Page>> }} Server */

const NO_RUN = "Choose an app above and deploy it; the newest run is on top here.";
const PAGE = 25;

const whoOf = (/** @type {RunRow} */ run) => (run.source === "outside" ? "started outside" : run.by && `by ${run.by}`);

/** @param {string} now @returns {(row: HTMLElement, run: RunRow) => void} */
const fill = (now) => (row, run) => {
  const { link, about, tags, state, round, started, took, cause } = cells(row);
  row.dataset.pinned = String(run.pinned);
  put(link, run.pinned ? `★ ${run.name}` : run.name);
  put(about, [run.app, whoOf(run)].filter(Boolean).join("  ·  "));
  each(tags, run.tags, (tag) => tag, () => make("span", "bt-tag"), put);
  light(state, run.tone, run.status);
  put(round, run.rounds ? `${run.round} of ${run.rounds}` : String(run.round || ""));
  put(started, moment(run.started ?? run.created));
  put(took, run.started ? span(seconds(run.started, run.ended ?? now)) : "");
  put(cause, run.cause);
};

/** @param {HTMLElement} node @param {string[]} names */
const drawChoices = (node, names) =>
  each(node, ["", ...names], (name) => name, () => make("option"), (option, name) => {
    /** @type {HTMLOptionElement} */ (option).value = name;
    put(option, name || "all");
  });

/** @param {Given<Server>} given */
export const mount = ({ element, server }) => {
  const { find, ask, poll } = bind(element, server);
  let offset = 0;
  let era = 0; // of what is asked for

  const create = (/** @type {RunRow} */ run) => {
    const row = copy(find("row"));
    row.id = `run-row-${run.id}`;
    lead(/** @type {HTMLAnchorElement} */ (cells(row).link), `run=${run.id}`);
    return row;
  };
  const filters = () => ({
    text: find("text", HTMLInputElement).value,
    status: find("status", HTMLSelectElement).value,
    app: find("app", HTMLSelectElement).value,
    tag: find("tag", HTMLSelectElement).value,
    pinned: find("pinned", HTMLInputElement).checked,
  });
  const draw = (/** @type {Page} */ page) => {
    const [{ rows, total }, filtered] = [page, Object.values(filters()).some(Boolean)];
    each(find("rows"), rows, (run) => run.id, create, fill(page.now));
    drawChoices(find("app"), page.apps);
    drawChoices(find("tag"), page.tags);
    put(find("empty-lead"), filtered ? "No run matches." : "No run yet.");
    put(find("empty-next"), filtered ? "Take a filter away." : NO_RUN);
    show(find("table"), rows.length > 0);
    show(find("empty"), rows.length === 0);
    show(find("pages"), total > page.page);
    put(find("where"), `${offset + 1} to ${offset + rows.length} of ${total}`);
    find("newer", HTMLButtonElement).disabled = offset === 0;
    find("older", HTMLButtonElement).disabled = offset + rows.length >= total;
  };
  const look = async () => {
    if (inAddress("run")) return;
    const mine = era;
    const answer = await ask("runs", { ...filters(), offset });
    if (answer?.rows && mine === era) draw(/** @type {Page} */ (answer));
  };
  const turn = poll(look, 3000);
  const again = (/** @type {number} */ from) => {
    era += 1;
    offset = from;
    turn();
    look();
  };
  find("filters").addEventListener("input", () => again(0));
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("newer").addEventListener("click", () => again(Math.max(0, offset - PAGE)));
  find("older").addEventListener("click", () => again(offset + PAGE));
  hear("changed", turn);
  hear("address", turn);
};
