// Which mails a person wants, and the webhooks.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, each, light, put, show } from "../kit/dom.js";
import { inAddress } from "../kit/talk.js";
import { SILENT } from "../kit/words.js";

/** @import { Answer, Given } from "../types/part.d.ts" */
/** @import { WebhookRow } from "../types/rest.d.ts" */
/** @typedef {{ kind: string, words: string }} Kind */
/**
 * @typedef {object} State
 * @property {Kind[]} kinds
 * @property {string[]} wished
 * @property {string} email
 * @property {boolean} email_is_known by the account; it cannot be typed then
 * @property {WebhookRow[]} hooks
 * @property {string} [text]
 * @property {string} [secret] of a new webhook, this once
 */
/** @typedef {(asked: object) => Promise<Answer<State>>} Reader */
/** @typedef {"alerts" | "wish" | "hook" | "unhook" | "probe"} Act */

/** @param {HTMLElement} row @param {WebhookRow} hook */
const fillHook = (row, hook) => {
  const { url, events, state, trouble } = cells(row);
  put(url, hook.url);
  put(events, `${hook.events.join(", ")}  ·  by ${hook.by}`);
  light(state, hook.tone, hook.status);
  put(trouble, hook.error ? `${hook.error} Tried ${hook.tries} times.` : "");
};
const chosen = (/** @type {HTMLElement} */ parent) =>
  [.../** @type {NodeListOf<HTMLInputElement>} */ (parent.querySelectorAll("input:checked"))].map((box) => box.value);

/** @param {Given<Record<Act, Reader>>} given */
export const mount = ({ element, server }) => {
  const { find, ask, poll, say } = bind(element, server);
  const [email, url] = [find("email", HTMLInputElement), find("url", HTMLInputElement)];

  // What is ticked is the person's from then on: a box is made once and not touched again.
  /** @param {HTMLElement} parent @param {Kind[]} kinds @param {string} prefix @param {(kind: string) => boolean} ticked */
  const drawBoxes = (parent, kinds, prefix, ticked) =>
    each(parent, kinds, ({ kind }) => kind, ({ kind, words }) => {
      const row = copy(find("choice"));
      Object.assign(cells(row).box, { id: `${prefix}-${kind}`, value: kind, checked: ticked(kind) });
      put(cells(row).words, words);
      return row;
    }, () => {});
  const createHook = (/** @type {WebhookRow} */ hook) => {
    const row = copy(find("hook"));
    row.id = `hook-row-${hook.id}`;
    cells(row).test.addEventListener("click", () => act("probe", { id: hook.id }));
    cells(row).delete.addEventListener("click", () => act("unhook", { id: hook.id }));
    return row;
  };
  const draw = (/** @type {State} */ state) => {
    drawBoxes(find("kinds"), state.kinds, "alert", (kind) => state.wished.includes(kind));
    drawBoxes(find("hook-kinds"), state.kinds, "hook", (kind) => kind !== "run_finished");
    if (!email.value) email.value = state.email;
    email.disabled = state.email_is_known;
    each(find("hooks"), state.hooks, (hook) => hook.id, createHook, fillHook);
  };
  /** The new state, when it was done. @param {Act} what @param {object} asked */
  const act = async (what, asked) => {
    const answer = await ask(what, asked);
    if (!answer?.kinds) {
      say("bad", answer?.error ?? SILENT);
      return null;
    }
    draw(answer);
    if (answer.text) say("good", answer.text);
    return answer;
  };
  find("wishes").addEventListener("submit", (event) => {
    event.preventDefault();
    act("wish", { kinds: chosen(find("kinds")), email: email.value });
  });
  find("new").addEventListener("submit", async (event) => {
    event.preventDefault();
    const made = await act("hook", { url: url.value, kinds: chosen(find("hook-kinds")) });
    if (!made) return;
    url.value = "";
    put(find("secret"), `Its secret, shown only now: ${made.secret}`);
    show(find("secret"), true);
    say("good", "");
  });
  poll(async () => {
    if (inAddress("run")) return;
    const answer = await ask("alerts");
    if (answer?.kinds) draw(answer);
  }, 10000);
};
