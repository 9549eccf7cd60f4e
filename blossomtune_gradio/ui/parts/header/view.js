// Asks how things stand and tells every part that listens; shows the programs, who is here, and what
// is wrong.
import { bind } from "../kit/bound.js";
import { cells, each, light, put, show } from "../kit/dom.js";
import { hear, inFrame, tell } from "../kit/talk.js";
import { clock } from "../kit/words.js";

const PAUSE = 1500; // milliseconds

const alertsOf = (state, lostAt) => {
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
const fillAlert = (row, [, text]) => {
  const { sentence, more, words } = cells(row);
  const [first, ...rest] = text.split("\n");
  put(sentence, first);
  put(words, rest.join("\n"));
  show(more, rest.length > 0);
};

const fillLamp = (lost) => (row, { name, tone, state }) => {
  row.id = `lamp-${name.toLowerCase()}`;
  put(cells(row).name, name);
  light(cells(row).lamp, lost ? "off" : tone, lost ? "unknown" : state);
};

const offer = (link) => {
  if (inFrame) {
    link.href = location.href;
    link.target = "_blank";
    put(link, "Open in a full tab to sign in");
  } else link.href = `login?next=${encodeURIComponent(location.pathname)}`;
};

export const mount = ({ element, server }) => {
  const { find, ask, poll } = bind(element, server);
  const [account, refused] = [find("account"), find("refused")];
  const page = refused.dataset; // its title, and for whom it is
  const { dataset } = document.documentElement;
  let last = null;
  let lostAt = null;
  let named = ""; // what a part of the page wants the tab to be called

  // Who asks decides what shows: the parts themselves are hidden by style (bt-for-…).
  const drawWho = (who) => {
    dataset.role = who.role;
    const signedIn = who.role > 0;
    for (const name of ["sign-in", "refused-sign-in"]) {
      offer(find(name));
      show(find(name), who.can_sign_in && !signedIn);
    }
    show(account, who.can_sign_in && signedIn);
    put(find("name"), who.name);
    put(find("full-name"), who.name);
    put(find("role"), `${who.word}, signed in with ${who.provider}`);
    const next = signedIn ? `You are signed in as ${who.name}, ${who.word}.` : "Sign in to see it.";
    put(find("refused-why"), `The ${page.title} page is for ${page.who}. ${who.can_sign_in ? next : ""}`);
    show(refused, who.role < Number(page.role));
  };

  // Tabs, bookmarks and readers of a screen tell pages and runs apart by it.
  const drawTitle = () => {
    const run = page.title === "Live" && last?.run;
    const words = named || (run ? `${run.name} · ${run.status}` : page.title);
    document.title = `${words} · BlossomTune`;
  };
  const draw = () => {
    document.documentElement.toggleAttribute("data-lost", Boolean(lostAt));
    drawTitle();
    const state = last ?? { lamps: [], trouble: "" };
    each(find("alerts"), alertsOf(state, lostAt), ([key]) => key, find("alert"), fillAlert);
    each(find("lamps"), state.lamps ?? [], (lamp) => lamp.name, find("lamp"), fillLamp(Boolean(lostAt)));
    put(find("mode"), state.mode ?? "");
    show(find("mode"), Boolean(state.mode));
    if (state.who) drawWho(state.who);
  };
  const tellAll = () => {
    if (last && !last.error) tell("pulse", last);
  };

  document.addEventListener("click", ({ target }) => {
    if (!account.contains(target)) account.open = false;
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !account.open) return;
    account.open = false;
    find("name").focus();
  });
  hear("listening", tellAll);
  hear("title", (text) => {
    named = text;
    drawTitle();
  });
  const turn = poll(async () => {
    const state = await ask("snapshot");
    lostAt = state ? null : (lostAt ?? new Date());
    last = state ?? last;
    const before = dataset.role;
    draw();
    if (before !== dataset.role) tell("admitted");
    if (state) tellAll();
  }, PAUSE);
  hear("changed", turn);
};
