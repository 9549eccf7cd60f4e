const create = (run) => {
  const row = make("tr");
  row.id = `run-row-${run.id}`;
  const cells = ["Run", "State", "Round", "Started", "Cause", ""].map((label) => {
    const cell = make("td");
    if (label) cell.dataset.label = label;
    return cell;
  });
  cells[0].append(make("strong"), make("span", "bt-quiet bt-under"));
  cells[1].append(make("span", "bt-lamp"));
  cells[5].className = "bt-actions";
  row.append(...cells);
  return row;
};
const stopButton = (run) => {
  const button = make("button", "bt-button bt-small", "Stop");
  button.type = "button";
  button.id = `run-stop-${run.id}`;
  button.setAttribute("aria-label", `Stop ${run.name}`);
  button.addEventListener("click", () => {
    button.disabled = true;
    put(button, "Stopping…");
    trigger("halt", { id: run.id });
  });
  return button;
};
const fill = (row, run) => {
  const [what, state, round, started, cause, action] = row.children;
  put(what.firstChild, run.name);
  put(what.lastChild, run.app);
  light(state.firstChild, run.tone, run.status);
  put(round, run.rounds ? `${run.round} of ${run.rounds}` : String(run.round || ""));
  put(started, run.started ? new Date(run.started).toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false }) : "–");
  put(cause, run.cause);
  if (run.can_stop && !action.firstChild) action.append(stopButton(run));
  if (!run.can_stop) action.replaceChildren();
};
const turn = poll(async () => {
  const answer = await ask("runs");
  if (!answer?.rows) return;
  each(find("rows"), answer.rows, (run) => run.id, create, fill);
  show(find("table"), answer.rows.length > 0);
  show(find("empty"), answer.rows.length === 0);
}, 2000);
watch("value", () => {
  const { tone, text } = props.value;
  find("said").dataset.tone = tone;
  put(find("said"), text);
  show(find("said"), true);
  for (const button of find("rows").querySelectorAll("button")) {
    button.disabled = tone === "good" && button.disabled;
    put(button, button.disabled ? "Stopping…" : "Stop");
  }
  changed();
});
document.addEventListener("blossom:changed", turn);
