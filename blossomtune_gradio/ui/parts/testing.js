// A page for the test of a part: jsdom, the part's own frame, and a server that is a few functions.
import { readFileSync } from "node:fs";
import { afterEach } from "node:test";
import { JSDOM } from "jsdom";

/** What Node has too, but a page must have its own of. */
const PAGES_OWN = [
  ...["CustomEvent", "Event", "EventTarget", "FormData", "navigator"],
  ...["addEventListener", "dispatchEvent", "removeEventListener"],
];
const nodes = new Set(Object.getOwnPropertyNames(globalThis).filter((name) => !PAGES_OWN.includes(name)));
/** @type {JSDOM | undefined} */
let page;

/** An empty page at `address`; the page before is closed, with its timers. @param {string} address */
export const newPage = (address = "runs") => {
  page?.window.close();
  page = new JSDOM("<!doctype html><html><body></body></html>", {
    url: `http://blossom.test/${address}`,
    pretendToBeVisual: true,
  });
  const { window } = page;
  window.HTMLElement.prototype.scrollIntoView = () => {};
  const dialog = window.HTMLDialogElement.prototype;
  dialog.showModal ??= function showModal() {
    this.open = true;
  };
  dialog.close ??= function close() {
    this.open = false;
  };
  for (const name of Object.getOwnPropertyNames(window)) {
    if (nodes.has(name) || name === "undefined") continue;
    const value = /** @type {any} */ (window)[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return window.document;
};
// jsdom's timers are made of Node's, so pages have Node's own; a page that is gone keeps nothing open.
for (const name of /** @type {const} */ (["setTimeout", "setInterval"])) {
  const start = globalThis[name];
  Object.assign(globalThis, { [name]: (/** @type {Parameters<typeof start>} */ ...given) => start(...given).unref() });
}
newPage();
afterEach(() => newPage()); // nothing goes on asking

/**
 * Puts a part on a new page.
 * @param {string} part its folder
 * @param {Record<string, (asked: any) => unknown>} server what its server functions answer
 * @param {{ address?: string, words?: Record<string, string> }} [more]
 */
export const open = async (part, server, { address = "runs", words = {} } = {}) => {
  const document = newPage(address);
  const element = document.createElement("div");
  const file = new URL(`${part}/view.html`, import.meta.url);
  const frame = readFileSync(file, "utf8").replace(/\[\[(\w+)\]\]/g, (whole, word) => words[word] ?? whole);
  element.append(document.createRange()["createContextualFragment"](frame));
  document.body.append(element);
  /** @type {{ name: string, asked: any }[]} */
  const asked = [];
  /** @type {{ name: string, detail: any }[]} */
  const triggered = [];
  /** @type {(() => void)[]} */
  const watchers = [];
  const props = { value: /** @type {any} */ (undefined) };
  const functions = Object.entries(server).map(([name, answer]) => [
    name,
    async (/** @type {object} */ what) => {
      asked.push({ name, asked: what });
      return await answer(what);
    },
  ]);
  const { mount } = await import(new URL(`${part}/view.js`, import.meta.url).href);
  mount({
    element,
    server: Object.fromEntries(functions),
    props,
    trigger: (/** @type {string} */ name, /** @type {object} */ detail) => triggered.push({ name, detail }),
    watch: (/** @type {string} */ _name, /** @type {() => void} */ hear) => watchers.push(hear),
  });
  /** @param {string} selector @returns {any} the first that fits, which must be there */
  const one = (selector) => {
    const found = element.querySelector(selector);
    if (!found) throw new Error(`Nothing fits ${selector}`);
    return found;
  };
  return {
    document,
    element,
    asked,
    triggered,
    one,
    /** @param {string} selector @returns {any[]} */
    all: (selector) => [...element.querySelectorAll(selector)],
    /** The words of the first that fits, blanks made one. @param {string} selector */
    text: (selector) => one(selector).textContent.replace(/\s+/g, " ").trim(),
    /** What is shown, for the eye: neither it nor anything around it is hidden. @param {string} selector */
    shown: (selector) => !one(selector).closest("[hidden]"),
    /** @param {string} selector */
    click: (selector) => one(selector).click(),
    /** Types into a field. @param {string} selector @param {string} typed */
    type: (selector, typed) => {
      one(selector).value = typed;
      for (const kind of ["input", "change"]) one(selector).dispatchEvent(new Event(kind, { bubbles: true }));
    },
    /** @param {string} selector */
    submit: (selector) => one(selector).dispatchEvent(new Event("submit", { bubbles: true, cancelable: true })),
    /** A callback answers. @param {unknown} value */
    give: (value) => {
      props.value = value;
      for (const hear of watchers) hear();
    },
  };
};

/**
 * Waits until it is so, at most five seconds.
 * @param {() => unknown} is
 */
export const until = async (is) => {
  const end = Date.now() + 5000;
  while (!is()) {
    if (Date.now() > end) throw new Error(`Not so within five seconds: ${is}`);
    await new Promise((done) => void setImmediate(done));
  }
};
