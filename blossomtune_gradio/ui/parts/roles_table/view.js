// Everybody who has an account, with the role and where it comes from.
import { bind } from "../kit/bound.js";
import { actionButton, cells, each, light, put, show } from "../kit/dom.js";
import { changed, hear } from "../kit/talk.js";
import { ago } from "../kit/words.js";

const WORDS = { grant: "Make researcher", take: "Take researcher", sign_out: "Sign out" };

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, poll, say } = bind(element, server);

  const button = (person, what) => {
    const made = actionButton(WORDS[what], () => {
      made.disabled = true;
      trigger("change_role", { id: person.id, what });
    });
    made.dataset.what = what;
    made.setAttribute("aria-label", `${WORDS[what]}: ${person.username}`);
    return made;
  };
  const fill = (now) => (row, person) => {
    const { name, about, role, from, seen, actions } = cells(row);
    row.dataset.account = person.id;
    put(name, person.username);
    put(about, [person.name, person.email, person.provider].filter(Boolean).join("  ·  "));
    light(role, person.tone, person.role);
    put(from, person.because);
    put(seen, ago(person.last_seen, now));
    if (actions.dataset.can === person.can) return;
    actions.dataset.can = person.can;
    actions.replaceChildren(...[person.can, "sign_out"].filter(Boolean).map((what) => button(person, what)));
  };
  const turn = poll(async () => {
    const answer = await ask("accounts", { text: find("text").value.trim() });
    if (!answer?.rows) return;
    each(find("rows"), answer.rows, (person) => person.id, find("row"), fill(answer.now));
    show(find("table"), answer.rows.length > 0);
    show(find("empty"), answer.rows.length === 0);
  }, 5000);

  watch("value", () => {
    const { tone, text } = props.value;
    say(tone, text);
    for (const made of find("rows").querySelectorAll("button")) made.disabled = false;
    changed();
  });
  hear("changed", turn);
  let typing = 0;
  find("text").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(turn, 250);
  });
  find("search").addEventListener("submit", (event) => event.preventDefault());
};
