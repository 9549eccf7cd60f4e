// The audit trail, newest first; the server filters and pages.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, each, light, put, show } from "../kit/dom.js";
import { hear } from "../kit/talk.js";
import { ago, counted, exactly } from "../kit/words.js";

/** @import { Answer, Given } from "../types/part.d.ts" */
/** @import { ChainRow, EntryRow } from "../types/rest.d.ts" */
/** @typedef {{ rows: EntryRow[], total: number, before: number | null, chain: ChainRow, now: string }} Page */
/** @typedef {{ audit: (asked: object) => Promise<Answer<Page>> }} Server */

const DAY = 86400000; // milliseconds

/** @param {HTMLElement} row @param {EntryRow} entry */
const fill = (row, entry) => {
  const { when, number, who, actor, action, target, "target-id": id, change } = cells(row);
  when.setAttribute("datetime", entry.at ?? "");
  put(when, exactly(entry.at));
  put(number, `entry ${entry.id}`);
  put(who, entry.who);
  put(actor, entry.actor);
  put(action, entry.action);
  put(target, entry.target);
  put(id, entry.target_id);
  put(change, entry.change);
};

/** @param {Given<Server>} given */
export const mount = ({ element, server }) => {
  const { find, ask, poll } = bind(element, server);
  const filters = find("filters", HTMLFormElement);
  /** @type {(number | null)[]} the pages on the way to the one shown */
  let way = [null];
  /** @type {number | null} */
  let before = null;
  let turnOf = 0;
  let typing = 0;

  /** @returns {Record<string, string>} */
  const wanted = () =>
    Object.fromEntries([...new FormData(filters)].flatMap(([name, value]) => (value ? [[name, String(value)]] : [])));
  const links = () => {
    const { until, ...rest } = wanted();
    const asked = new URLSearchParams(rest);
    if (until) asked.set("until", new Date(Date.parse(until) + DAY).toISOString().slice(0, 10));
    const query = asked.toString();
    for (const form of ["jsonl", "csv"]) {
      const href = `download/audit.${form}${query ? `?${query}` : ""}`;
      if (find(form).getAttribute("href") !== href) find(form).setAttribute("href", href);
    }
  };
  const draw = (/** @type {Page} */ page) => {
    const { rows, total, chain, now } = page;
    before = page.before;
    const whole = chain.tone === "good";
    light(find("lamp"), chain.tone, chain.word);
    put(find("state"), `${counted(chain.entries, "entry", "entries")}, checked ${ago(chain.checked, now)}`);
    put(find("broken"), whole ? "" : `${chain.sentence} Everything before that is as it was written.`);
    show(find("broken"), !whole);
    each(find("rows"), rows, (entry) => entry.id, find("row"), fill);
    show(find("table"), rows.length > 0);
    show(find("empty"), rows.length === 0);
    put(find("count"), rows.length ? `${rows.length} of ${total}, page ${way.length}` : "");
    find("newer", HTMLButtonElement).disabled = way.length === 1;
    find("older", HTMLButtonElement).disabled = before === null;
  };
  const look = async (afresh = false) => {
    const turn = ++turnOf;
    const answer = await ask("audit", { ...wanted(), before: way.at(-1), afresh });
    if (turn !== turnOf) return; // something newer was asked meanwhile
    if (answer?.error) put(find("count"), answer.error);
    else if (answer?.rows) draw(/** @type {Page} */ (answer));
  };
  const go = (/** @type {(number | null)[]} */ pages) => {
    way = pages;
    return look();
  };
  const again = poll(() => look(), 5000);
  filters.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => {
      links();
      go([null]);
    }, 250);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  find("check").addEventListener("click", () => look(true));
  find("older").addEventListener("click", () => before !== null && go([...way, before]));
  find("newer").addEventListener("click", () => go(way.length > 1 ? way.slice(0, -1) : way));
  links();
  hear("changed", again);
};
