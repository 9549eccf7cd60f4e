// The page itself: nodes are made or copied, found by name, and touched only where something changed,
// so nothing flickers and selections stay.
// @ts-check

/**
 * A new element; all text goes in as text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export const make = (tag, className = "", text = "") => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};

/**
 * A new element that `cells` finds by `name`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {string} name @param {Tag} tag
 */
export const cell = (name, tag, className = "", text = "") => {
  const node = make(tag, className, text);
  node.dataset.cell = name;
  return node;
};

/** @param {Node} node @param {string} text */
export const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
/** @param {HTMLElement} node @param {boolean} visible */
export const show = (node, visible) => {
  if (node.hidden === visible) node.hidden = !visible;
};

/** HTML that the server has cleaned; nothing else may come in here. @param {Element} node @param {string} clean */
export const putHtml = (node, clean) => {
  const { body } = new DOMParser().parseFromString(clean, "text/html");
  node.replaceChildren(...body.childNodes);
};

/** A lamp is a shape and a word, never a colour alone. @param {HTMLElement} node @param {string} tone @param {string} word */
export const light = (node, tone, word) => {
  if (node.dataset.tone !== tone) node.dataset.tone = tone;
  put(node, word);
};

/** A copy of what a template holds: the element in it that has `data-row`. @param {Element} template */
export const copy = (template) => {
  const { content } = /** @type {HTMLTemplateElement} */ (template);
  return /** @type {HTMLElement} */ (content.querySelector("[data-row]")?.cloneNode(true));
};

/**
 * What has a name (`data-cell`) in a row, looked up once, before anything is put into it.
 * @param {Element} row
 * @returns {Record<string, HTMLElement>}
 */
export const cells = (row) => {
  let found = cellsOf.get(row);
  if (!found) {
    const nodes = /** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll("[data-cell]"));
    found = Object.fromEntries([...nodes].map((node) => [node.dataset.cell ?? "", node]));
    cellsOf.set(row, found);
  }
  return found;
};
/** @type {WeakMap<Element, Record<string, HTMLElement>>} */
const cellsOf = new WeakMap();

/**
 * One child of `parent` per item, in their order, found again by its key. A new one comes from
 * `create(item)`, or is a copy of it if that is a template; `fill(row, item)` updates it.
 * @template Item
 * @param {Element} parent
 * @param {Item[]} items
 * @param {(item: Item) => string | number} key
 * @param {Element | ((item: Item) => HTMLElement)} create
 * @param {(row: HTMLElement, item: Item) => void} fill
 */
export const each = (parent, items, key, create, fill) => {
  const old = new Map(
    [...parent.children].map((child) => /** @type {const} */ ([/** @type {HTMLElement} */ (child).dataset.key, /** @type {HTMLElement} */ (child)])),
  );
  items.forEach((item, index) => {
    const name = String(key(item));
    const node = old.get(name) ?? (create instanceof Element ? copy(create) : create(item));
    node.dataset.key = name;
    old.delete(name);
    fill(node, item);
    const there = parent.children.item(index);
    if (there !== node) parent.insertBefore(node, there);
  });
  old.forEach((node) => node.remove());
};

/** @param {string} text @param {() => unknown} onClick */
export const actionButton = (text, onClick, look = "") => {
  const made = make("button", `bt-button bt-small ${look}`, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
};

/** Only a page from https or this machine may write to the clipboard; else the text is selected. @param {HTMLElement} button @param {HTMLElement} node */
export const copyText = async (button, node) => {
  try {
    await navigator.clipboard.writeText(node.textContent ?? "");
    put(button, "Copied");
  } catch {
    getSelection()?.selectAllChildren(node);
    put(button, "Selected");
  }
  setTimeout(() => put(button, "Copy"), 2500);
};
