// What is bound to one part: its own element and its own server functions.
// @ts-check
import { actionButton, make, put, show } from "./dom.js";
import { hear } from "./talk.js";
import { SILENT } from "./words.js";

const PATIENCE = 20000; // milliseconds for an answer

/** @import { Readers } from "../types/part.d.ts" */
/** @typedef {<Kind extends HTMLElement = HTMLElement>(name: string, kind?: new () => Kind) => Kind} Find */

/**
 * @template {Readers} R
 * @param {HTMLElement} element
 * @param {R} server
 */
export const bind = (element, server) => {
  /**
   * The one element of the part with this name (`data-part`), which is there; `kind` says of what
   * class it is.
   * @template {HTMLElement} [Kind=HTMLElement]
   * @param {string} name
   * @param {new () => Kind} [_kind]
   * @returns {Kind}
   */
  const find = (name, _kind) => /** @type {Kind} */ (element.querySelector(`[data-part="${name}"]`));

  let answered = true;
  /**
   * The server's answer, or undefined when there was none in time.
   * @template {keyof R & string} Name
   * @param {Name} name
   * @param {object} [asked]
   * @returns {Promise<Awaited<ReturnType<R[Name]>> | undefined>}
   */
  const ask = async (name, asked = {}) => {
    /** @type {Promise<undefined>} */
    const late = new Promise((done) => void setTimeout(() => done(undefined), PATIENCE));
    const answer = /** @type {Awaited<ReturnType<R[Name]>> | undefined} */ (await Promise.race([server[name](asked), late]));
    answered = answer !== undefined;
    return answer;
  };

  // A part for a higher role is hidden, and asks nothing.
  const admitted = () => {
    const gate = element.closest("[class*='bt-for-']");
    return !gate || gate.getClientRects().length > 0;
  };

  /**
   * Do `work` every `pause` milliseconds, but not in a hidden tab and never twice at once; a server
   * that is away is asked more seldom. What is returned does it at once.
   * @param {() => unknown} work
   * @param {number} pause
   */
  const poll = (work, pause) => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let busy = false;
    const turn = async () => {
      if (busy || !element.isConnected) return;
      clearTimeout(timer);
      busy = true;
      try {
        if (!document.hidden && admitted()) await work();
      } finally {
        busy = false;
        timer = setTimeout(turn, answered ? pause : 3000 + pause);
      }
    };
    document.addEventListener("visibilitychange", turn);
    hear("admitted", turn);
    turn();
    return turn;
  };

  /** What came of a click, in the part's own callout; no text hides it. @param {string} tone @param {string} text */
  const say = (tone, text) => {
    find("said").dataset.tone = tone;
    put(find("said"), text);
    show(find("said"), Boolean(text));
  };
  /** @param {{ text?: string, error?: string } | undefined} answer */
  const sayAnswer = (answer) => say(answer?.text ? "good" : "bad", answer?.error ?? answer?.text ?? SILENT);

  /**
   * What cannot be taken back is asked first, in the place of the button that was pressed. Hidden by
   * an attribute of its own, as the part that draws the button decides on `hidden`.
   * @param {HTMLElement} button @param {string} question @param {string} yes @param {() => unknown} act
   */
  const askFirst = (button, question, yes, act) => {
    if (asking.get(button)?.isConnected) return;
    const box = make("span", "bt-confirm");
    box.setAttribute("role", "group");
    const no = actionButton("Not now", () => {
      takeBack();
      button.focus();
    });
    const sure = actionButton(yes, () => {
      takeBack();
      act();
    }, "bt-danger");
    sure.id = `${button.id}-yes`;
    box.append(make("span", "", question), sure, no);
    box.addEventListener("keydown", (event) => event.key === "Escape" && no.click());
    button.dataset.asking = "";
    button.after(box);
    asking.set(button, box);
    no.focus();
  };
  /** @type {Map<HTMLElement, HTMLElement>} */
  const asking = new Map();
  const takeBack = () => {
    for (const [button, box] of asking) {
      delete button.dataset.asking;
      box.remove();
    }
    asking.clear();
  };

  return { find, ask, poll, say, sayAnswer, askFirst, takeBack };
};
