// One line of a log: hostile text, so it only ever becomes text nodes.
// @ts-check
import { cells, copy, make, put } from "../kit/dom.js";
import { linkTo } from "../kit/talk.js";
import { clock } from "../kit/words.js";

/** @typedef {{ source: string, offset: number, time: string, level: string, text: string }} Line */

/** @type {Record<string, string[]>} */
const LEVELS = { warnings: ["WARNING", "ERROR", "CRITICAL"], errors: ["ERROR", "CRITICAL"] };

/** The row of a line; the time of a run's line links to it. @param {Element} template @param {Line} line */
export const createLine = (template, line) => {
  const row = copy(template);
  const { time, from, text } = cells(row);
  row.dataset.level = line.level;
  row.dataset.line = `${line.source}:${line.offset}`;
  time.title = line.time;
  const run = /^run-(\d+)$/.exec(line.source)?.[1];
  if (run) {
    const link = linkTo(clock(line.time), `run=${run}&line=${line.offset}`, "bt-line-link");
    link.title = `${line.time}: link to this line`;
    time.append(link);
  } else put(time, clock(line.time));
  put(from, line.source);
  from.title = line.source;
  put(text, line.text);
  return row;
};

/** @param {HTMLElement} node @param {string} wanted */
const mark = (node, wanted) => {
  const text = node.textContent ?? "";
  const at = wanted ? text.toLowerCase().indexOf(wanted) : -1;
  if (at < 0) {
    put(node, text);
    return;
  }
  const hit = make("mark", "", text.slice(at, at + wanted.length));
  node.replaceChildren(text.slice(0, at), hit, text.slice(at + wanted.length));
};

/**
 * Shows a row only if it has something to say, is of such a level and has what is `wanted`.
 * @param {HTMLElement} row @param {string} wanted in small letters @param {string} level
 */
export const filterLine = (row, wanted, level) => {
  const { from, text } = cells(row);
  const words = `${from.textContent} ${text.textContent}`.toLowerCase();
  const blank = !text.textContent?.trim(); // Flower writes many
  const quiet = LEVELS[level] && !LEVELS[level].includes(row.dataset.level ?? "");
  row.hidden = blank || quiet || (Boolean(wanted) && !words.includes(wanted));
  mark(text, wanted);
};
