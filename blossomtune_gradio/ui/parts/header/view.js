import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const { find, make, put, show, light, ask, poll, clock, each } = blossom(element, server);
  let last = null;
  let lostAt = null;
  let named = ""; // what a part of the page wants the tab to be called

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

  // Who asks decides what shows: the parts themselves are hidden by style (bt-for-…).
  const inFrame = window.self !== window.top;
  const offer = (link) => {
    if (inFrame) {
      // Browsers keep our cookie from a frame of another site, so signing in needs a tab of its own.
      link.href = location.href;
      link.target = "_blank";
      put(link, "Open in a full tab to sign in");
    } else link.href = `login?next=${encodeURIComponent(location.pathname)}`;
  };
  const drawWho = (who) => {
    document.documentElement.dataset.role = who.role;
    const signedIn = who.role > 0;
    for (const name of ["sign-in", "refused-sign-in"]) {
      offer(find(name));
      show(find(name), who.can_sign_in && !signedIn);
    }
    show(find("account"), who.can_sign_in && signedIn);
    put(find("name"), who.name);
    put(find("full-name"), who.name);
    put(find("role"), `${who.word}, signed in with ${who.provider}`);
    const refused = find("refused");
    const { role, who: wanted, title } = refused.dataset;
    const next = signedIn ? `You are signed in as ${who.name}, ${who.word}.` : "Sign in to see it.";
    put(find("refused-why"), `The ${title} page is for ${wanted}. ${who.can_sign_in ? next : ""}`);
    show(refused, who.role < Number(role));
  };
  document.addEventListener("click", ({ target }) => {
    if (!find("account").contains(target)) find("account").open = false;
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !find("account").open) return;
    find("account").open = false;
    find("name").focus();
  });

  // Tabs, bookmarks and readers of a screen tell pages and runs apart by it.
  const drawTitle = () => {
    const { title } = find("refused").dataset;
    const run = title === "Live" && last?.run;
    const words = named || (run ? `${run.name} · ${run.status}` : title);
    document.title = `${words} · BlossomTune`;
  };
  const draw = () => {
    document.documentElement.toggleAttribute("data-lost", Boolean(lostAt));
    drawTitle();
    const state = last ?? { lamps: [], trouble: "" };
    each(find("alerts"), alertsOf(state), ([key]) => key, makeAlert, fillAlert);
    each(find("lamps"), state.lamps ?? [], (lamp) => lamp.name, makeLamp, fillLamp);
    put(find("mode"), state.mode ?? "");
    show(find("mode"), Boolean(state.mode));
    if (state.who) drawWho(state.who);
  };
  const tell = () => {
    if (last && !last.error) document.dispatchEvent(new CustomEvent("blossom:pulse", { detail: last }));
  };

  document.addEventListener("blossom:listening", tell);
  document.addEventListener("blossom:title", (event) => {
    named = event.detail;
    drawTitle();
  });
  const turn = poll(async () => {
    const state = await ask("snapshot");
    lostAt = state ? null : (lostAt ?? new Date());
    last = state ?? last;
    const before = document.documentElement.dataset.role;
    draw();
    if (before !== document.documentElement.dataset.role) document.dispatchEvent(new CustomEvent("blossom:admitted"));
    if (state) tell();
  }, 1500);
  document.addEventListener("blossom:changed", turn);
};
