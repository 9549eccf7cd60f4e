// One table, two views. The server searches, sorts and pages; the selection lives here, across pages.
// @ts-check
import { bind } from "../kit/bound.js";
import { each, make, put, show } from "../kit/dom.js";
import { changed, hear } from "../kit/talk.js";
import { PRESENCES, drawChips, drawDrift, drawEmpty, drawPages, drawPartitions, drawSort, drawView } from "./around.js";
import { selection } from "./chosen.js";
import { createRow, fillActions, fillRow, markRow } from "./row.js";

/** @import { Answer, Given, Said } from "../types/part.d.ts" */
/** @import { PeoplePage, PersonRow } from "../types/rest.d.ts" */
/** @typedef {import("./around.js").Asked} Asked */
/** @typedef {{ people: (asked: Asked) => Promise<Answer<PeoplePage>> }} Server */
/** @typedef {{ id: number, text: string }} Refusal */
/** @typedef {Said & { done?: number[], refused?: Refusal[] }} Outcome */

/** @param {Given<Server, Outcome>} given */
export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, poll } = bind(element, server);
  const tabs = /** @type {HTMLElement[]} */ ([...element.querySelectorAll("[role=tab]")]);
  const asked = { view: "", search: "", status: "", presence: "", sort: "", descending: false, page: 0 };
  /** @type {PersonRow[]} the rows of this page */
  let shown = [];
  let stale = false; // something else is asked for than what is on its way

  /** What is asked for is another now. @param {Partial<Asked>} change */
  const turn = (change = {}) => {
    Object.assign(asked, change);
    stale = true;
    look();
  };

  // -- choosing and deciding --------------------------------------------------------------------
  const enable = (/** @type {boolean} */ on) => {
    for (const place of ["rows", "bulk"]) {
      for (const button of find(place).querySelectorAll("button")) button.disabled = !on;
    }
  };
  const { chosen, begin, draw } = selection(find, () => shown, (what, people, more = {}) => {
    enable(false);
    trigger("decide", { what, ids: people.map(({ id }) => id), ...more });
  });
  const choose = (/** @type {PersonRow} */ person, /** @type {boolean} */ on) => {
    if (on) chosen.set(person.id, person);
    else chosen.delete(person.id);
    const row = /** @type {HTMLElement | null} */ (find("rows").querySelector(`#participant-${person.id}`));
    if (row) markRow(row, on);
    draw();
  };
  const create = (/** @type {PersonRow} */ person) => createRow(find("row"), person, choose);

  // -- drawing ----------------------------------------------------------------------------------
  const sortBy = (/** @type {string} */ sort) => {
    const again = asked.sort === sort && sort !== "";
    turn({ sort, descending: again && !asked.descending, page: 0 });
  };
  const chip = (/** @type {string} */ word) => {
    const presence = PRESENCES.includes(word) ? word : "";
    turn({ status: presence ? "" : word, presence, page: 0 });
  };
  const drawPage = (/** @type {PeoplePage} */ page) => {
    shown = page.rows;
    Object.assign(asked, { page: page.page, view: page.view });
    drawView(find, tabs, page);
    drawChips(find, page, asked, chip);
    drawPartitions(find, page);
    drawDrift(find, page);
    drawEmpty(find, page, asked);
    each(find("rows"), shown, ({ id }) => id, create, (row, person) => {
      if (chosen.has(person.id)) chosen.set(person.id, person);
      markRow(row, chosen.has(person.id));
      fillRow(row, person, page.now);
      fillActions(row, person, begin);
    });
    drawPages(find, page);
    drawSort(find, asked);
    draw();
  };
  const load = async () => {
    const answer = await ask("people", { ...asked });
    if (stale || !answer) return;
    if (answer.error !== undefined) sayOutcome("bad", answer.error);
    else drawPage(answer);
  };
  const look = poll(async () => {
    do {
      stale = false;
      await load();
    } while (stale);
  }, 3000);

  // -- what came of it --------------------------------------------------------------------------
  /** @param {string} tone @param {string} text @param {Refusal[]} refused */
  const sayOutcome = (tone, text, refused = []) => {
    find("said").dataset.tone = tone;
    put(find("said-text"), text);
    show(find("said"), true);
    const sites = new Map([...shown, ...chosen.values()].map((person) => [person.id, person.site]));
    const listed = refused.length > 1 || text.includes("see below") ? refused : [];
    const lines = listed.map((one) => make("li", "", `${sites.get(one.id) ?? one.id}: ${one.text}`));
    find("refused").replaceChildren(...lines);
  };
  watch("value", () => {
    const { tone, text, done = [], refused = [] } = props.value;
    sayOutcome(tone, text, refused);
    for (const id of done) chosen.delete(id);
    save.disabled = true;
    enable(true);
    draw();
    changed();
  });

  // -- controls ---------------------------------------------------------------------------------
  const goTo = (/** @type {HTMLElement} */ tab) => {
    chosen.clear();
    show(find("said"), false);
    turn({ view: tab.dataset.view, status: "", presence: "", sort: "", descending: false, page: 0 });
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => goTo(tab));
    tab.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      const other = tabs[(tabs.indexOf(tab) + 1) % tabs.length];
      other.focus();
      goTo(other);
    });
  }
  const [search, sort] = [find("search", HTMLInputElement), find("sort", HTMLSelectElement)];
  const [all, total, save] = [find("all", HTMLInputElement), find("total", HTMLInputElement), find("save", HTMLButtonElement)];
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => turn({ search: search.value, page: 0 }), 200);
  });
  sort.addEventListener("change", () => sortBy(sort.value));
  for (const cell of find("head").querySelectorAll("th")) {
    const by = cell.dataset.sort;
    if (by) cell.querySelector("button")?.addEventListener("click", () => sortBy(by));
  }
  all.addEventListener("change", () => {
    const on = all.checked; // each choice redraws the box itself
    for (const person of shown) choose(person, on);
  });
  find("previous").addEventListener("click", () => turn({ page: asked.page - 1 }));
  find("next").addEventListener("click", () => turn({ page: asked.page + 1 }));
  find("clear").addEventListener("click", () => [...chosen.values()].forEach((person) => choose(person, false)));
  total.addEventListener("input", () => (save.disabled = total.value === total.dataset.kept));
  find("partitions").addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("partitions", { total: Number(total.value) });
  });
  hear("changed", () => turn());
};
