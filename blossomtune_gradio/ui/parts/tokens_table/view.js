// Tokens for scripts. A secret lives in this page until the next click and nowhere else.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, copyText, each, light, put, show } from "../kit/dom.js";
import { changed, hear } from "../kit/talk.js";
import { ago, day } from "../kit/words.js";

/** @import { Answer, Given, Said } from "../types/part.d.ts" */
/** @import { TokenRow } from "../types/rest.d.ts" */
/** @typedef {{ tokens: (asked: object) => Promise<Answer<{ rows: TokenRow[], now: string }>> }} Server */

/** @param {Given<Server, Said & { secret?: string }>} given */
export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, poll, say } = bind(element, server);

  const create = (/** @type {TokenRow} */ token) => {
    const row = copy(find("row"));
    row.id = `token-${token.id}`;
    const revoke = /** @type {HTMLButtonElement} */ (cells(row).revoke);
    revoke.setAttribute("aria-label", `Revoke the token ${token.name}`);
    revoke.addEventListener("click", () => {
      revoke.disabled = true;
      trigger("revoke", { id: token.id });
    });
    return row;
  };
  const fill = (/** @type {string} */ now) => (/** @type {HTMLElement} */ row, /** @type {TokenRow} */ token) => {
    const { name, about, role, state, until, used, revoke } = cells(row);
    put(name, token.name);
    put(about, `number ${token.id}, by ${token.by}`);
    put(role, token.role);
    light(state, token.tone, token.state);
    put(until, day(token.expires));
    put(used, token.used ? ago(token.used, now) : "never");
    show(revoke, token.can_revoke);
  };
  const turn = poll(async () => {
    const answer = await ask("tokens");
    if (!answer?.rows) return;
    each(find("rows"), answer.rows, (token) => token.id, create, fill(answer.now));
    show(find("table"), answer.rows.length > 0);
    show(find("empty"), answer.rows.length === 0);
  }, 5000);

  const name = find("name", HTMLInputElement);
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    find("create", HTMLButtonElement).disabled = true;
    const [role, days] = [find("role", HTMLSelectElement).value, find("days", HTMLInputElement).value];
    trigger("create", { name: name.value, role, days: Number(days) });
  });
  find("copy").addEventListener("click", () => copyText(find("copy"), find("secret")));
  watch("value", () => {
    const { tone, text, secret } = props.value;
    say(tone, text);
    put(find("secret"), secret ?? "");
    put(find("copy"), "Copy");
    show(find("shown"), Boolean(secret));
    if (secret) name.value = "";
    for (const control of element.querySelectorAll("button")) control.disabled = false;
    changed();
  });
  hear("changed", turn);
};
