import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const {
    find, make, put, show, light, ask, poll, each, inAddress, actionButton, SILENT, say,
  } = blossom(element, server);
  let state = null;
  const boxes = (parent, prefix, ticked) => {
    each(parent, state.kinds, (kind) => kind.kind, (kind) => {
      const label = make("label", "bt-check");
      const input = make("input");
      Object.assign(input, { type: "checkbox", id: `${prefix}-${kind.kind}`, value: kind.kind, checked: ticked(kind.kind) });
      label.append(input, make("span", "", kind.words));
      return label;
    }, () => {});
  };
  const chosen = (parent) => [...parent.querySelectorAll("input:checked")].map((input) => input.value);
  const draw = () => {
    boxes(find("kinds"), "alert", (kind) => state.wished.includes(kind));
    boxes(find("hook-kinds"), "hook", (kind) => kind !== "run_finished");
    if (!find("email").value) find("email").value = state.email;
    find("email").disabled = state.email_is_known;
    each(find("hooks"), state.hooks, (hook) => hook.id, (hook) => {
      const row = make("li");
      row.id = `hook-row-${hook.id}`;
      const what = make("div");
      what.append(make("strong", "", hook.url), make("div", "bt-quiet"), make("span", "bt-lamp"), make("div", "bt-quiet"));
      const buttons = make("div", "bt-open-actions");
      buttons.append(actionButton("Test", () => act("probe", { id: hook.id })), actionButton("Delete", () => act("unhook", { id: hook.id })));
      row.append(what, buttons);
      return row;
    }, (row, hook) => {
      const [, events, lamp, error] = row.firstChild.children;
      put(events, `${hook.events.join(", ")}  ·  by ${hook.by}`);
      light(lamp, hook.tone, hook.status);
      put(error, hook.error ? `${hook.error} Tried ${hook.tries} times.` : "");
    });
  };
  const take = (answer) => {
    if (!answer || answer.error) {
      say("bad", answer?.error ?? SILENT);
      return false;
    }
    state = answer;
    draw();
    if (answer.text) say("good", answer.text);
    return true;
  };
  const act = async (what, asked) => take(await ask(what, asked));
  find("wishes").addEventListener("submit", (event) => {
    event.preventDefault();
    act("wish", { kinds: chosen(find("kinds")), email: find("email").value });
  });
  find("new").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await act("hook", { url: find("url").value, kinds: chosen(find("hook-kinds")) }))) return;
    find("url").value = "";
    put(find("secret"), `Its secret, shown only now: ${state.secret}`);
    show(find("secret"), true);
    say("good", "");
  });
  poll(async () => {
    if (inAddress("run")) return;
    const answer = await ask("alerts");
    if (!answer?.kinds) return;
    state = answer;
    draw();
  }, 10000);
};
