// The card of what a run waits for: sentence, sites with when they were last seen, deadline. A wait
// that is no wonder needs none: it stands in a line that is there anyway, so nothing jumps.
// @ts-check
import { cell, cells, each, light, make, put, show } from "./dom.js";
import { ago, span } from "./words.js";

/** @typedef {{ name: string, what: string, failed: string, seen: string | null }} Site */
/** @typedef {{ late: boolean, code: string, short: string, sentence: string, sites: Site[], deadline: string | null, then: string }} Wait */

const createSite = () => {
  const row = make("li");
  row.append(cell("name", "strong"), cell("lamp", "span", "bt-lamp"), cell("seen", "span", "bt-quiet"));
  return row;
};
/** @param {boolean} answers @param {string} now */
const fillSite = (answers, now) => (/** @type {HTMLElement} */ row, /** @type {Site} */ site) => {
  const { name, lamp, seen } = cells(row);
  put(name, site.name);
  light(lamp, answers ? "busy" : "bad", site.failed ? `${site.what}, its check failed: ${site.failed}` : site.what);
  put(seen, site.seen ? `${answers ? "asked" : "last seen"} ${ago(site.seen, now)}` : "");
};

/** @type {WeakMap<HTMLElement, { sentence: HTMLElement, sites: HTMLElement, deadline: HTMLElement }>} */
const frames = new WeakMap(); // box: the sentence, sites and deadline in it
const frameOf = (/** @type {HTMLElement} */ box) => {
  const known = frames.get(box);
  if (known) return known;
  const frame = { sentence: make("p", "bt-callout"), sites: make("ul", "bt-absent"), deadline: make("p", "bt-quiet") };
  box.replaceChildren(frame.sentence, frame.sites, frame.deadline);
  frames.set(box, frame);
  return frame;
};

/** @param {HTMLElement} box @param {Wait | null | undefined} wait @param {string} now */
export const drawWait = (box, wait, now) => {
  show(box, Boolean(wait?.late));
  if (!wait?.late) {
    frames.delete(box);
    box.replaceChildren();
    return;
  }
  const { sentence, sites, deadline } = frameOf(box);
  box.dataset.code = wait.code;
  sentence.dataset.tone = wait.code === "slot" ? "off" : "busy";
  put(sentence, wait.short || wait.sentence);
  each(sites, wait.sites, (site) => site.name, createSite, fillSite(wait.code === "answers", now));
  const left = wait.deadline ? Math.round((new Date(wait.deadline).getTime() - new Date(now).getTime()) / 1000) : 0;
  put(deadline, wait.deadline ? (left > 0 ? `In ${span(left)} ${wait.then}.` : `The deadline is over: ${wait.then}.`) : "");
  show(deadline, Boolean(wait.deadline));
};
