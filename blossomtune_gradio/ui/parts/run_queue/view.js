import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const {
    find, make, put, show, light, ask, poll, changed, seconds, span, ago, each, linkTo, actionButton,
    sayAnswer, askFirst, drawWait,
  } = blossom(element, server);
  let now = null;
  let waiting = 0; // runs in the queue
  const act = async (button, what, asked) => {
    button.disabled = true;
    sayAnswer(await ask(what, asked));
    button.disabled = false;
    changed();
    turn();
  };
  const create = (run) => {
    const row = make("li", "bt-open");
    row.id = `queue-${run.id}`;
    const head = make("div", "bt-open-head");
    const title = make("div", "bt-open-title");
    title.append(linkTo(run.name, `run=${run.id}`), make("span", "bt-quiet"));
    const up = actionButton("↑", () => act(up, "shift", { id: run.id, direction: "up" }));
    const down = actionButton("↓", () => act(down, "shift", { id: run.id, direction: "down" }));
    const stop = actionButton("Stop", () => {
      const halt = () => act(stop, "halt", { id: run.id });
      if (row.dataset.stake) askFirst(stop, row.dataset.stake, "Stop it", halt);
      else halt();
    });
    up.setAttribute("aria-label", `Move ${run.name} up`);
    down.setAttribute("aria-label", `Move ${run.name} down`);
    stop.id = `run-stop-${run.id}`;
    const buttons = make("div", "bt-open-actions");
    buttons.append(up, down, stop);
    head.append(make("span", "bt-lamp"), title, buttons);
    row.append(head, make("div", "bt-wait"));
    return row;
  };
  const fill = (row, run) => {
    const [head, wait] = row.children;
    const [lamp, title, buttons] = head.children;
    light(lamp, run.tone, run.place ? `queued, place ${run.place}` : run.stopping ? "stopping" : run.status);
    const rounds = run.rounds && run.round ? `round ${run.round} of ${run.rounds}` : run.round ? `round ${run.round}` : "";
    const outside = run.source === "outside";
    const who = outside ? "started outside by flwr run" : run.by && `by ${run.by}`;
    const since = run.started ? `for ${span(seconds(run.started, now))}` : `${outside ? "seen" : "deployed"} ${ago(run.created, now)}`;
    const answers = run.wait && !run.wait.late ? run.wait.short : "";
    put(title.lastChild, [run.app, who, rounds, answers, since].filter(Boolean).join("  ·  "));
    const [up, down, stop] = buttons.children;
    show(up, run.place > 1);
    show(down, run.place > 0 && run.place < waiting);
    const word = run.place ? "Cancel" : run.stopping ? "Stopping…" : "Stop";
    put(stop, word);
    stop.setAttribute("aria-label", `${word} ${run.name}`);
    row.dataset.stake = run.stake;
    if (run.stopping) stop.disabled = true;
    drawWait(wait, run.wait, now);
  };
  const turn = poll(async () => {
    const answer = await ask("queue");
    put(find("empty"), answer?.rows ? "Nothing runs and nothing waits." : "Not known while the server does not answer.");
    if (!answer?.rows) return;
    now = answer.now;
    waiting = answer.rows.filter((run) => run.place).length;
    each(find("rows"), answer.rows, (run) => run.id, create, fill);
    show(find("empty"), answer.rows.length === 0);
    put(find("about"), answer.rows.length ? `${answer.rows.length - waiting} running, ${waiting} waiting  ·  ${answer.slots === 1 ? "one" : answer.slots} at a time` : "");
  }, 2000);
  document.addEventListener("blossom:changed", turn);
};
