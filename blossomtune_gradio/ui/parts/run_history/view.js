import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const {
    find, make, put, show, light, ask, poll, seconds, span, moment, each, inAddress, linkTo, rowOf,
  } = blossom(element, server);
  let offset = 0;
  let era = 0;
  const create = (run) => {
    const row = rowOf(["Run", "State", "Round", "Started", "Took", "Cause"]);
    const cells = row.children;
    row.id = `run-row-${run.id}`;
    cells[0].append(linkTo(run.name, `run=${run.id}`), make("span", "bt-quiet bt-under"), make("span", "bt-tags"));
    cells[1].append(make("span", "bt-lamp"));
    return row;
  };
  const fill = (now) => (row, run) => {
    const [what, state, round, started, took, cause] = row.children;
    row.dataset.pinned = run.pinned;
    put(what.children[0], run.pinned ? `★ ${run.name}` : run.name);
    put(what.children[1], [run.app, run.source === "outside" ? "started outside" : run.by && `by ${run.by}`].filter(Boolean).join("  ·  "));
    each(what.children[2], run.tags, (tag) => tag, () => make("span", "bt-tag"), put);
    light(state.firstChild, run.tone, run.status);
    put(round, run.rounds ? `${run.round} of ${run.rounds}` : String(run.round || ""));
    put(started, moment(run.started ?? run.created));
    put(took, run.started ? span(seconds(run.started, run.ended ?? now)) : "");
    put(cause, run.cause);
  };
  const choices = (node, names) => {
    each(node, ["", ...names], (name) => name, () => make("option"), (option, name) => {
      option.value = name;
      put(option, name || "all");
    });
  };
  const asked = () => ({
    text: find("text").value,
    status: find("status").value,
    app: find("app").value,
    tag: find("tag").value,
    pinned: find("pinned").checked,
    offset,
  });
  const look = async () => {
    if (inAddress("run")) return;
    const mine = era;
    const answer = await ask("runs", asked());
    if (!answer?.rows || mine !== era) return;
    each(find("rows"), answer.rows, (run) => run.id, create, fill(answer.now));
    choices(find("app"), answer.apps);
    choices(find("tag"), answer.tags);
    const filtered = Object.values({ ...asked(), offset: 0 }).some(Boolean);
    put(find("empty-lead"), filtered ? "No run matches." : "No run yet.");
    put(find("empty-next"), filtered ? "Take a filter away." : "Choose an app above and deploy it; the newest run is on top here.");
    show(find("table"), answer.rows.length > 0);
    show(find("empty"), answer.rows.length === 0);
    show(find("pages"), answer.total > answer.page);
    put(find("where"), `${offset + 1} to ${offset + answer.rows.length} of ${answer.total}`);
    find("newer").disabled = offset === 0;
    find("older").disabled = offset + answer.rows.length >= answer.total;
  };
  const turn = poll(look, 3000);
  const again = (change) => {
    era += 1;
    offset = change;
    turn();
    look();
  };
  find("filters").addEventListener("input", () => again(0));
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("newer").addEventListener("click", () => again(Math.max(0, offset - 25)));
  find("older").addEventListener("click", () => again(offset + 25));
  document.addEventListener("blossom:changed", turn);
  document.addEventListener("blossom:address", turn);
};
