// What stands around the rows: tabs, chips with their counts, partitions, drift, and the words when
// there is no row.
// @ts-check
import { cells, copy, each, make, put, show } from "../kit/dom.js";
import { ago } from "../kit/words.js";

/** @import { Find } from "../kit/bound.js" */
/** @import { PeoplePage } from "../types/rest.d.ts" */
/**
 * @typedef {object} Asked what the table asks the server for
 * @property {string} view
 * @property {string} search
 * @property {string} status
 * @property {string} presence
 * @property {string} sort
 * @property {boolean} descending
 * @property {number} page
 */
/** @typedef {{ word: string, text: string, count: number }} Chip */

/** @type {Record<string, string[][]>} */
const CHIPS = {
  requests: [["", "All"], ["confirmed", "Waiting"], ["requested", "E-mail not proven"], ["denied", "Denied"], ["withdrawn", "Withdrawn"]],
  sites: [["", "All"], ["approved", "Approved"], ["online", "Online"], ["offline", "Offline"], ["registered", "Never seen"], ["no key", "Kit not used"], ["revoked", "Revoked"]],
};
export const PRESENCES = ["online", "offline", "registered", "no key"];
const NOBODY = "A request appears here once its e-mail address is confirmed; approving it gives the site a data partition.";

/** @param {Find} find @param {PeoplePage} page @param {Asked} asked @param {(word: string) => void} choose */
export const drawChips = (find, { counts, presences, view }, asked, choose) => {
  const all = CHIPS[view].reduce((sum, [word]) => sum + (counts[word] ?? 0), 0);
  const chips = CHIPS[view].map(([word, text]) => ({ word, text, count: word ? (counts[word] ?? presences[word]) : all }));
  const create = (/** @type {Chip} */ { word, text }) => {
    const node = copy(find("chip"));
    node.id = `chip-${(word || "all").replace(" ", "-")}`;
    put(cells(node).text, text);
    node.addEventListener("click", () => choose(word));
    return node;
  };
  each(find("chips"), chips, ({ word }) => `${view} ${word}`, create, (node, { word, count }) => {
    put(cells(node).count, String(count));
    node.setAttribute("aria-pressed", String((asked.status || asked.presence) === word));
  });
};

/** @param {Find} find @param {HTMLElement[]} tabs @param {PeoplePage} page */
export const drawView = (find, tabs, { view, counts }) => {
  find("panel").dataset.view = view;
  find("panel").setAttribute("aria-labelledby", `people-${view}`);
  for (const tab of tabs) {
    const on = tab.dataset.view === view;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
  }
  put(find("count-requests"), counts.confirmed ? String(counts.confirmed) : "");
  put(find("count-sites"), counts.approved ? String(counts.approved) : "");
};

/** @param {Find} find @param {Asked} asked */
export const drawSort = (find, { sort, descending }) => {
  for (const cell of find("head").querySelectorAll("th")) {
    if (!cell.dataset.sort) continue;
    if (cell.dataset.sort === sort) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
  find("sort", HTMLSelectElement).value = sort;
};

/** @param {Find} find @param {PeoplePage} page */
export const drawPartitions = (find, { partitions: { total, assigned, free } }) => {
  const input = find("total", HTMLInputElement);
  if (document.activeElement !== input && find("save", HTMLButtonElement).disabled) input.value = String(total);
  input.dataset.kept = String(total);
  put(find("use"), `${assigned} with an owner, ${free === null ? "none free" : `lowest free: ${free}`}`);
};

/** @param {boolean} nobody @param {Asked} asked */
const emptyWords = (nobody, asked) => {
  if (nobody) return ["Nobody has asked for access yet.", NOBODY];
  const hint = asked.search ? "Search for something else, or choose All." : "";
  if (asked.search || asked.status || asked.presence) return ["Nobody fits.", hint];
  return [asked.view === "sites" ? "No site is approved yet." : "Nobody waits.", hint];
};

/** @param {Find} find @param {PeoplePage} page @param {Asked} asked */
export const drawEmpty = (find, { total, counts }, asked) => {
  const [title, text] = emptyWords(Object.values(counts).every((count) => count === 0), asked);
  show(find("table"), total > 0);
  show(find("empty"), total === 0);
  put(find("empty-title"), title);
  put(find("empty-text"), text);
};

/** What the reconciler put right or could not do. @param {Find} find @param {PeoplePage} page */
export const drawDrift = (find, { drift, now }) =>
  each(find("drift"), drift, ({ at, text }) => `${at}${text}`, () => make("li", "bt-callout"), (node, { at, text }) =>
    put(node, `${text} (${ago(at, now)})`));

/** @param {Find} find @param {PeoplePage} page */
export const drawPages = (find, { page, size, total, rows }) => {
  const first = page * size;
  put(find("range"), total ? `${first + 1}–${first + rows.length} of ${total}` : "");
  find("previous", HTMLButtonElement).disabled = page === 0;
  find("next", HTMLButtonElement).disabled = first + rows.length >= total;
  show(find("pages"), total > size);
};
