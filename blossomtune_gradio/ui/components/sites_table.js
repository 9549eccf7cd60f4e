// Ending somebody's access asks for a reason first, in the row itself.
const WORDS = { approve: "Approve", deny: "Deny", revoke: "Revoke" };
let now = null;

const create = (person) => {
  const row = make("tr");
  row.id = `participant-${person.id}`;
  const cells = ["Site", "Request", "Partition", "Connection", "Note", ""].map((label) => {
    const cell = make("td");
    if (label) cell.dataset.label = label;
    return cell;
  });
  cells[0].append(make("strong"), make("span", "bt-quiet bt-under"));
  cells[1].append(make("span", "bt-lamp"));
  cells[3].append(make("span", "bt-lamp"), make("span", "bt-quiet bt-under"));
  cells[5].className = "bt-actions";
  row.append(...cells);
  return row;
};
const act = (person, what, reason = "") => {
  const row = element.querySelector(`#participant-${person.id}`);
  for (const control of row.querySelectorAll("button, input")) control.disabled = true;
  trigger("decide", { id: person.id, what, reason });
};
const button = (id, text, name, onClick, look = "") => {
  const made = make("button", `bt-button bt-small ${look}`, text);
  made.type = "button";
  made.id = id;
  made.setAttribute("aria-label", `${text} ${name}`);
  made.addEventListener("click", onClick);
  return made;
};
const askReason = (cell, person, what) => {
  const form = make("form", "bt-reason");
  const input = make("input");
  Object.assign(input, { id: `reason-${person.id}`, placeholder: "Reason (they will read it)", maxLength: 500 });
  input.setAttribute("aria-label", `Reason to ${what} ${person.site}`);
  const yes = button(`${what}-yes-${person.id}`, WORDS[what], person.site, () => {}, "bt-danger");
  yes.type = "submit";
  const no = button(`${what}-no-${person.id}`, "Cancel", person.site, () => actions(cell, person));
  form.append(input, yes, no);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(person, what, input.value);
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && actions(cell, person));
  cell.replaceChildren(form);
  input.focus();
};
const kit = (person) => {
  const link = make("a", "bt-button bt-small", "Get kit");
  link.href = `download/kit/${person.id}`;
  link.id = `kit-${person.id}`;
  link.download = "";
  link.title = "A new kit replaces the one before: its join token stops working.";
  link.setAttribute("aria-label", `Get the kit of ${person.site}`);
  return link;
};
const actions = (cell, person) => {
  const made = person.can.map((what) =>
    what === "approve"
      ? button(`approve-${person.id}`, WORDS.approve, person.site, () => act(person, what), "bt-primary")
      : button(`${what}-${person.id}`, `${WORDS[what]}…`, person.site, () => askReason(cell, person, what)),
  );
  cell.replaceChildren(...(person.has_kit ? [kit(person)] : []), ...made);
};
const fill = (row, person) => {
  const [who, status, partition, connection, words, cell] = row.children;
  put(who.firstChild, person.site);
  put(who.lastChild, [person.email, person.organisation].filter(Boolean).join("  ·  "));
  light(status.firstChild, person.tone, person.status);
  put(partition, person.partition === null ? "–" : String(person.partition));
  light(connection.firstChild, person.presence_tone, person.presence);
  show(connection.firstChild, Boolean(person.presence));
  put(connection.lastChild, person.last_seen ? `seen ${ago(person.last_seen, now)}` : "");
  put(words, person.note);
  if (cell.dataset.state === person.status) return; // an open reason stays open
  cell.dataset.state = person.status;
  actions(cell, person);
};
const turn = poll(async () => {
  const answer = await ask("participants");
  if (!answer?.rows) return;
  now = answer.now;
  each(find("rows"), answer.rows, (person) => person.id, create, fill);
  show(find("table"), answer.rows.length > 0);
  show(find("empty"), answer.rows.length === 0);
}, 2000);
watch("value", () => {
  const { tone, text } = props.value;
  find("said").dataset.tone = tone;
  put(find("said"), text);
  show(find("said"), true);
  for (const control of find("rows").querySelectorAll("button, input")) control.disabled = false;
  changed();
});
document.addEventListener("blossom:changed", turn);
