import { blossom } from "../kit/common.js";

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, make, put, show, light, ask, poll, changed, ago, each, say, rowOf } = blossom(element, server);
  let now = null;

  const create = () => {
    const row = rowOf(["Person", "Role", "From", "Seen", ""]);
    const cells = row.children;
    cells[0].append(make("strong"), make("span", "bt-quiet bt-under"));
    cells[1].append(make("span", "bt-lamp"));
    cells[4].className = "bt-actions";
    return row;
  };
  const WORDS = { grant: "Make researcher", take: "Take researcher", sign_out: "Sign out" };
  const button = (person, what) => {
    const word = WORDS[what];
    const made = make("button", "bt-button bt-small", word);
    made.type = "button";
    made.dataset.what = what;
    made.setAttribute("aria-label", `${word}: ${person.username}`);
    made.addEventListener("click", () => {
      made.disabled = true;
      trigger("change_role", { id: person.id, what });
    });
    return made;
  };
  const fill = (row, person) => {
    const [who, role, from, seen, action] = row.children;
    row.dataset.account = person.id;
    put(who.firstChild, person.username);
    put(who.lastChild, [person.name, person.email, person.provider].filter(Boolean).join("  ·  "));
    light(role.firstChild, person.tone, person.role);
    put(from, person.because);
    put(seen, ago(person.last_seen, now));
    if (action.dataset.can === person.can) return;
    action.dataset.can = person.can;
    action.replaceChildren(...(person.can ? [button(person, person.can)] : []), button(person, "sign_out"));
  };
  const turn = poll(async () => {
    const answer = await ask("accounts", { text: find("text").value.trim() });
    if (!answer?.rows) return;
    now = answer.now;
    each(find("rows"), answer.rows, (person) => person.id, create, fill);
    show(find("table"), answer.rows.length > 0);
    show(find("empty"), answer.rows.length === 0);
  }, 5000);
  watch("value", () => {
    const { tone, text } = props.value;
    say(tone, text);
    for (const made of find("rows").querySelectorAll("button")) made.disabled = false;
    changed();
  });
  document.addEventListener("blossom:changed", turn);
  let typing = 0;
  find("text").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(turn, 250);
  });
  find("search").addEventListener("submit", (event) => event.preventDefault());
};
