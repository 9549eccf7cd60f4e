// A secret lives in this page until the next click and nowhere else.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server, props, trigger, watch }) => {
  const {
    find, make, put, show, light, ask, poll, changed, ago, day, each, say, rowOf, copyText,
  } = blossom(element, server);
  let now = null;

  const create = (token) => {
    const row = rowOf(["Token", "Role", "State", "Good until", "Last used", ""]);
    const cells = row.children;
    row.id = `token-${token.id}`;
    cells[0].append(make("strong"), make("span", "bt-quiet bt-under"));
    cells[2].append(make("span", "bt-lamp"));
    cells[5].className = "bt-actions";
    const button = make("button", "bt-button bt-small bt-danger", "Revoke");
    button.type = "button";
    button.setAttribute("aria-label", `Revoke the token ${token.name}`);
    button.addEventListener("click", () => {
      button.disabled = true;
      trigger("revoke", { id: token.id });
    });
    cells[5].append(button);
    return row;
  };
  const fill = (row, token) => {
    const [name, role, state, until, used, action] = row.children;
    put(name.firstChild, token.name);
    put(name.lastChild, `number ${token.id}, by ${token.by}`);
    put(role, token.role);
    light(state.firstChild, token.tone, token.state);
    put(until, day(token.expires));
    put(used, token.used ? ago(token.used, now) : "never");
    show(action.firstChild, token.can_revoke);
  };
  const turn = poll(async () => {
    const answer = await ask("tokens");
    if (!answer?.rows) return;
    now = answer.now;
    each(find("rows"), answer.rows, (token) => token.id, create, fill);
    show(find("table"), answer.rows.length > 0);
    show(find("empty"), answer.rows.length === 0);
  }, 5000);
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = Object.fromEntries(new FormData(find("form")));
    find("create").disabled = true;
    trigger("create", { name: typed.name, role: typed.role, days: Number(typed.days) });
  });
  find("copy").addEventListener("click", () => copyText(find("copy"), find("secret")));
  watch("value", () => {
    const { tone, text, secret } = props.value;
    say(tone, text);
    put(find("secret"), secret ?? "");
    put(find("copy"), "Copy");
    show(find("shown"), Boolean(secret));
    if (secret) find("form").elements.name.value = "";
    for (const control of element.querySelectorAll("button")) control.disabled = false;
    changed();
  });
  document.addEventListener("blossom:changed", turn);
};
