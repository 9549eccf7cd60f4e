let last = null;
let lostAt = null;

const alertsOf = (state) => {
  if (lostAt) {
    const since = clock(lostAt);
    return [["server", `The server has not answered since ${since}. It is asked again until it does.`]];
  }
  if (state.error) return [["error", state.error]];
  const lamps = state.lamps.filter((lamp) => lamp.tone === "bad" && lamp.reason);
  const told = lamps.map((lamp) => [lamp.name, `${lamp.name}: ${lamp.reason}`]);
  return state.trouble ? [...told, ["trouble", state.trouble]] : told;
};

// The first line is the sentence; what follows is the last output of the program.
const fillAlert = (node, [, text]) => {
  const [sentence, ...rest] = text.split("\n");
  put(node.firstChild, sentence);
  put(node.lastChild.lastChild, rest.join("\n"));
  show(node.lastChild, rest.length > 0);
};
const makeAlert = () => {
  const node = make("div", "bt-callout");
  node.dataset.tone = "bad";
  const more = make("details");
  more.append(make("summary", "", "Its last words"), make("pre"));
  node.append(make("p"), more);
  return node;
};

const makeLamp = () => {
  const node = make("li");
  node.append(make("span", "bt-lamp-name"), make("span", "bt-lamp"));
  return node;
};
const fillLamp = (node, lamp) => {
  node.id = `lamp-${lamp.name.toLowerCase()}`;
  put(node.firstChild, lamp.name);
  light(node.lastChild, lostAt ? "off" : lamp.tone, lostAt ? "unknown" : lamp.state);
};

const draw = () => {
  const state = last ?? { lamps: [], trouble: "" };
  each(find("alerts"), alertsOf(state), ([key]) => key, makeAlert, fillAlert);
  each(find("lamps"), state.lamps ?? [], (lamp) => lamp.name, makeLamp, fillLamp);
  put(find("mode"), state.mode ?? "");
  show(find("mode"), Boolean(state.mode));
};
const tell = () => {
  if (last && !last.error) document.dispatchEvent(new CustomEvent("blossom:pulse", { detail: last }));
};

document.addEventListener("blossom:listening", tell);
const turn = poll(async () => {
  const state = await ask("snapshot");
  lostAt = state ? null : (lostAt ?? new Date());
  last = state ?? last;
  draw();
  if (state) tell();
}, 1500);
document.addEventListener("blossom:changed", turn);
