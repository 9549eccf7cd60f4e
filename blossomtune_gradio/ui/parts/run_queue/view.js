// What runs and what waits, in the order of the queue; each can be moved and stopped.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, each, light, put, show } from "../kit/dom.js";
import { changed, hear, lead } from "../kit/talk.js";
import { drawWait } from "../kit/wait.js";
import { ago, seconds, span } from "../kit/words.js";

/** @import { Answer, Given } from "../types/part.d.ts" */
/** @import { OpenRun } from "../types/rest.d.ts" */
/**
 * @typedef {object} Server
 * @property {(asked: object) => Promise<Answer<{ rows: OpenRun[], now: string, slots: number }>>} queue
 * @property {(asked: { id: number }) => Promise<Answer<{ text: string }>>} halt
 * @property {(asked: { id: number, direction: "up" | "down" }) => Promise<Answer<{ text: string }>>} shift
 */

/** @param {OpenRun} run @param {string} now */
const about = (run, now) => {
  const outside = run.source === "outside";
  const who = outside ? "started outside by flwr run" : run.by && `by ${run.by}`;
  const round = run.round ? `round ${run.round}${run.rounds ? ` of ${run.rounds}` : ""}` : "";
  const answers = run.wait && !run.wait.late ? run.wait.short : "";
  const since = run.started
    ? `for ${span(seconds(run.started, now))}`
    : `${outside ? "seen" : "deployed"} ${ago(run.created, now)}`;
  return [run.app, who, round, answers, since].filter(Boolean).join("  ·  ");
};

const stateOf = (/** @type {OpenRun} */ run) => {
  if (run.place) return `queued, place ${run.place}`;
  return run.stopping ? "stopping" : run.status;
};

/** @param {Given<Server>} given */
export const mount = ({ element, server }) => {
  const { find, ask, poll, sayAnswer, askFirst } = bind(element, server);

  /** @param {HTMLButtonElement} button @param {() => Promise<Answer<{ text: string }> | undefined>} work */
  const act = async (button, work) => {
    button.disabled = true;
    sayAnswer(await work());
    button.disabled = false;
    changed();
    turn();
  };
  const create = (/** @type {OpenRun} */ run) => {
    const row = copy(find("row"));
    row.id = `queue-${run.id}`;
    const { link, ...found } = cells(row);
    const buttons = /** @type {{ up: HTMLButtonElement, down: HTMLButtonElement, stop: HTMLButtonElement }} */ (found);
    const { up, down, stop } = buttons;
    put(link, run.name);
    lead(/** @type {HTMLAnchorElement} */ (link), `run=${run.id}`);
    up.setAttribute("aria-label", `Move ${run.name} up`);
    down.setAttribute("aria-label", `Move ${run.name} down`);
    stop.id = `run-stop-${run.id}`;
    up.addEventListener("click", () => act(up, () => ask("shift", { id: run.id, direction: "up" })));
    down.addEventListener("click", () => act(down, () => ask("shift", { id: run.id, direction: "down" })));
    stop.addEventListener("click", () => {
      const halt = () => act(stop, () => ask("halt", { id: run.id }));
      if (row.dataset.stake) askFirst(stop, row.dataset.stake, "Stop it", halt);
      else halt();
    });
    return row;
  };
  /** @param {string} now @param {number} waiting @returns {(row: HTMLElement, run: OpenRun) => void} */
  const fill = (now, waiting) => (row, run) => {
    const { state, about: line, up, down, stop, wait } = cells(row);
    light(state, run.tone, stateOf(run));
    put(line, about(run, now));
    show(up, run.place > 1);
    show(down, run.place > 0 && run.place < waiting);
    const word = run.place ? "Cancel" : run.stopping ? "Stopping…" : "Stop";
    put(stop, word);
    stop.setAttribute("aria-label", `${word} ${run.name}`);
    row.dataset.stake = run.stake;
    if (run.stopping) /** @type {HTMLButtonElement} */ (stop).disabled = true;
    drawWait(wait, run.wait, now);
  };
  const turn = poll(async () => {
    const answer = await ask("queue");
    const known = answer?.rows ? answer : null;
    put(find("empty"), known ? "Nothing runs and nothing waits." : "Not known while the server does not answer.");
    if (!known?.rows) return;
    const { rows, now, slots } = known;
    const waiting = rows.filter((run) => run.place).length;
    each(find("rows"), rows, (run) => run.id, create, fill(now, waiting));
    show(find("empty"), rows.length === 0);
    const counts = `${rows.length - waiting} running, ${waiting} waiting  ·  ${slots === 1 ? "one" : slots} at a time`;
    put(find("about"), rows.length ? counts : "");
  }, 2000);
  hear("changed", turn);
};
