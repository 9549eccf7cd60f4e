// One participant in the table: what is known, and what can be done.
// @ts-check
import { actionButton, cells, copy, light, make, put, show } from "../kit/dom.js";
import { tell } from "../kit/talk.js";
import { ago, bytes, counted } from "../kit/words.js";

/** @import { PersonRow } from "../types/rest.d.ts" */
/** @typedef {"approve" | "deny" | "revoke"} Deed */

/** @type {Record<Deed, string>} */
export const WORDS = { approve: "Approve", deny: "Deny", revoke: "Revoke" };

/** @type {WeakMap<HTMLElement, PersonRow>} the newest that is known of who is in a row */
const personIn = new WeakMap();

/**
 * @param {HTMLElement} template @param {PersonRow} person
 * @param {(person: PersonRow, on: boolean) => void} choose
 */
export const createRow = (template, person, choose) => {
  const row = copy(template);
  row.id = `participant-${person.id}`;
  const { tick, site } = cells(row);
  const box = /** @type {HTMLInputElement} */ (tick);
  box.id = `choose-${person.id}`;
  box.addEventListener("change", () => choose(personIn.get(row) ?? person, box.checked));
  site.id = `person-${person.id}`;
  site.addEventListener("click", () => tell("person", person.id));
  return row;
};

/** @param {HTMLElement} row @param {boolean} on */
export const markRow = (row, on) => {
  row.classList.toggle("bt-chosen", on);
  /** @type {HTMLInputElement} */ (cells(row).tick).checked = on;
};

/** @param {HTMLElement} row @param {PersonRow} person @param {string} now */
export const fillRow = (row, person, now) => {
  personIn.set(row, person);
  const { tick, site, about, status, since, partition, presence, seen, rounds, traffic, words, note } = cells(row);
  tick.setAttribute("aria-label", `Select ${person.site}`);
  put(site, person.site);
  put(about, [person.email, person.organisation].filter(Boolean).join("  ·  "));
  light(status, person.tone, person.status);
  put(since, ago(person.since, now));
  put(partition, person.partition === null ? "–" : String(person.partition));
  light(presence, person.presence_tone, person.presence);
  show(presence, Boolean(person.presence));
  put(seen, person.last_seen && person.presence !== "online" ? `seen ${ago(person.last_seen, now)}` : "");
  put(rounds, person.rounds ? counted(person.rounds, "round") : "–");
  put(traffic, person.received + person.sent ? `${bytes(person.received)} in, ${bytes(person.sent)} out` : "");
  put(words, person.words);
  put(note, person.note);
};

/** @param {PersonRow} person */
const kitLink = (person) => {
  const link = make("a", "bt-button bt-small", "Get kit");
  Object.assign(link, { href: `download/kit/${person.id}`, id: `kit-${person.id}`, download: "" });
  link.title = "A new kit replaces the one before: its join token stops working.";
  link.setAttribute("aria-label", `Get the kit of ${person.site}`);
  return link;
};

/** @param {PersonRow} person @param {Deed} what @param {(what: Deed, people: PersonRow[]) => void} begin */
const deedButton = (person, what, begin) => {
  const [text, look] = what === "approve" ? [WORDS.approve, "bt-primary"] : [`${WORDS[what]}…`, ""];
  const made = actionButton(text, () => begin(what, [person]), look);
  made.id = `${what}-${person.id}`;
  made.setAttribute("aria-label", `${text} ${person.site}`);
  return made;
};

/**
 * Buttons for what can be done; made anew only when that changes, so that none is lost under a finger.
 * @param {HTMLElement} row @param {PersonRow} person
 * @param {(what: Deed, people: PersonRow[]) => void} begin
 */
export const fillActions = (row, person, begin) => {
  const { actions } = cells(row);
  const state = `${person.status} ${person.site}`;
  if (actions.dataset.state === state) return;
  actions.dataset.state = state;
  const made = person.can.map((what) => deedButton(person, /** @type {Deed} */ (what), begin));
  actions.replaceChildren(...(person.has_kit ? [kitLink(person)] : []), ...made);
};
