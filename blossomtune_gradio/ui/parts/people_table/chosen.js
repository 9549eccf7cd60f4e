// The selection, which lives here across pages, and deciding: one by one or many at once, with a
// reason where somebody is refused.
// @ts-check
import { put, show } from "../kit/dom.js";
import { WORDS } from "./row.js";

/** @import { Find } from "../kit/bound.js" */
/** @import { Deed } from "./row.js" */
/** @import { PersonRow } from "../types/rest.d.ts" */

const DEEDS = /** @type {Deed[]} */ (Object.keys(WORDS));
const MOST_NAMES = 8;

/** @param {Deed} what @param {PersonRow[]} people */
const titleOf = (what, people) => {
  if (people.length === 1) return `${WORDS[what]} ${people.map(({ site }) => site).join()}?`;
  return `${WORDS[what]} ${people.length} ${what === "deny" ? "requests" : "sites"}?`;
};
const namesOf = (/** @type {PersonRow[]} */ people) => {
  const names = people.slice(0, MOST_NAMES).map(({ site }) => site).join(", ");
  return people.length > MOST_NAMES ? `${names} and ${people.length - MOST_NAMES} more` : names;
};

/**
 * @param {Find} find
 * @param {() => PersonRow[]} shown the rows of this page
 * @param {(what: Deed, people: PersonRow[], more?: object) => void} decide
 */
export const selection = (find, shown, decide) => {
  /** @type {Map<number, PersonRow>} as they were when they were chosen */
  const chosen = new Map();
  const [dialog, reason] = [find("decide", HTMLDialogElement), find("reason", HTMLTextAreaElement)];
  let asking = /** @type {{ what: Deed, people: PersonRow[] } | null} */ (null);

  const able = (/** @type {Deed} */ what) => [...chosen.values()].filter((person) => person.can.includes(what));

  /** Nobody reads a reason for yes; for no they do. @param {Deed} what @param {PersonRow[]} people */
  const begin = (what, people) => {
    if (what === "approve") return decide(what, people);
    asking = { what, people };
    const one = people.length === 1;
    put(find("decide-title"), titleOf(what, people));
    put(find("decide-names"), one ? "" : namesOf(people));
    put(find("decide-yes"), one ? WORDS[what] : `${WORDS[what]} ${people.length}`);
    reason.value = "";
    dialog.showModal();
    return reason.focus();
  };
  const draw = () => {
    show(find("bulk"), chosen.size > 0);
    put(find("selected"), `${chosen.size} selected`);
    for (const what of DEEDS) {
      const button = find(`bulk-${what}`);
      const count = able(what).length;
      show(button, count > 0);
      put(button, `${WORDS[what]} ${count}${what === "approve" ? "" : "…"}`);
    }
    const all = find("all", HTMLInputElement);
    const here = shown().filter(({ id }) => chosen.has(id)).length;
    all.checked = here > 0 && here === shown().length;
    all.indeterminate = here > 0 && here < shown().length;
  };
  for (const what of DEEDS) find(`bulk-${what}`).addEventListener("click", () => begin(what, able(what)));
  find("decide-cancel").addEventListener("click", () => dialog.close());
  find("decide-form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    if (asking) decide(asking.what, asking.people, { reason: reason.value });
    asking = null;
  });

  return { chosen, begin, draw };
};
