// Polls with one byte cursor per source; log text is hostile and only ever becomes text nodes.
import { bind } from "../kit/bound.js";
import { each, make, put, show } from "../kit/dom.js";
import { inAddress, onAddress } from "../kit/talk.js";
import { SILENT } from "../kit/words.js";
import { createLine, filterLine } from "./line.js";

const MOST_LINES = 2000;
const AT_END = 24; // pixels from the end that still count as the end
const GROWS_FOR = 6000; // milliseconds that what stands above the log may still grow
const USED_BY_HAND = ["wheel", "touchmove", "keydown", "pointerdown"];

export const mount = ({ element, server }) => {
  const { find, ask, poll } = bind(element, server);
  const lines = find("lines");
  let cursor = {};
  let source = "";
  let wanted = ""; // what the search box filters for, in small letters
  let following = true;
  let unread = 0;
  let searching = false; // older lines are shown instead of the newest
  let level = ""; // "warnings" or "errors": those only
  let linked = 0; // offset of the line the address names
  const ofRun = find("of").textContent === "run"; // on the Runs page: of the run in the address
  let era = 0; // an answer to a question from before a reset is thrown away

  const filter = (row) => filterLine(row, wanted, level);
  const lineOf = (line) => {
    const row = createLine(find("line"), line);
    if (linked && ofRun && line.source === source && line.offset === linked) row.classList.add("bt-linked");
    filter(row);
    return row;
  };

  const drawFollow = () => {
    const button = find("follow");
    const news = unread ? ` · ${unread} new` : "";
    put(button, following ? "Following" : `Paused${news}`);
    button.setAttribute("aria-pressed", String(following));
    button.title = following ? "Stop moving to the newest line" : "Go to the newest line and follow";
  };
  const toEnd = () => {
    lines.scrollTop = lines.scrollHeight;
  };
  const follow = (on) => {
    following = on;
    if (on) unread = 0;
    if (on) toEnd();
    drawFollow();
  };

  const add = (found) => {
    lines.append(...found.map(lineOf));
    for (const old of [...lines.children].slice(0, Math.max(0, lines.childElementCount - MOST_LINES))) old.remove();
    if (following) toEnd();
    else unread += found.length;
    drawFollow();
  };
  const note = (text) => {
    put(find("note"), text);
    show(find("note"), Boolean(text));
  };
  const empty = () => {
    if (lines.childElementCount) return note("");
    note(source ? `${source} has not written anything yet.` : "No line yet. Starting the SuperLink writes the first ones.");
  };
  const reset = () => {
    cursor = {};
    era += 1;
    searching = false;
    lines.replaceChildren();
    follow(true);
  };

  const drawSources = (names) => {
    const choice = find("source");
    each(choice, ofRun ? names : ["", ...names], (name) => name, () => make("option"), (node, name) => {
      if (node.value !== name || !node.textContent) node.value = name;
      put(node, name || "all sources");
    });
  };

  const turn = poll(async () => {
    if (searching || (ofRun && !source)) return;
    const asked = era;
    let more = true;
    while (more) {
      const answer = await ask("tail", { cursor, source });
      if (!answer || asked !== era) return;
      if (answer.error) return note(answer.error);
      ({ cursor, more } = answer);
      drawSources(ofRun ? [...new Set([source, ...answer.sources.filter((name) => !name.startsWith("run-"))])] : answer.sources);
      if (answer.lines.length) add(answer.lines);
    }
    empty();
  }, 1000);

  find("source").addEventListener("change", (event) => {
    source = event.target.value;
    linked = 0;
    reset();
    turn();
  });
  find("text").addEventListener("input", (event) => {
    wanted = event.target.value.trim().toLowerCase();
    if (searching && !wanted && !linked) {
      reset();
      turn();
    }
    for (const row of lines.children) filter(row);
    if (following) toEnd();
  });
  find("search").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!wanted) return;
    searching = true;
    era += 1;
    note("Searching…");
    const answer = await ask("search", { text: wanted, source, level });
    if (!answer || answer.error) return note(answer?.error ?? "The server did not answer. Press Enter to try again.");
    lines.replaceChildren(...answer.lines.map(lineOf));
    const count = answer.lines.length;
    note(count ? `The newest ${count} lines that match. Empty the search to go on with the live log.` : "No line matches, old ones included. Empty the search to go on with the live log.");
    toEnd();
  });
  find("level").addEventListener("change", (event) => {
    level = event.target.value;
    for (const row of lines.children) filter(row);
    if (following) toEnd();
  });
  find("follow").addEventListener("click", () => {
    if (!searching) return follow(!following);
    linked = 0;
    reset();
    turn();
  });

  // A deep link: the line of the address in the middle of what stands around it.
  const showLinked = async () => {
    searching = true;
    era += 1;
    const asked = era;
    note("Looking for the linked line…");
    const answer = await ask("around", { source, offset: linked });
    if (asked !== era) return;
    if (!answer || answer.error) return note(answer?.error ?? SILENT);
    lines.replaceChildren(...answer.lines.map(lineOf));
    const row = lines.querySelector(".bt-linked");
    following = false;
    drawFollow();
    put(find("follow"), "Show the newest");
    note(row ? "The lines around the linked one." : "The linked line is not there (any more).");
    if (!row) return;
    keepUntil = Date.now() + GROWS_FOR;
    keepInView();
  };
  // What stands above still grows for a moment, and the log may not be shown yet; who scrolls
  // themselves is left alone.
  let keepUntil = 0;
  const keepInView = () => {
    if (Date.now() > keepUntil) return;
    lines.querySelector(".bt-linked")?.scrollIntoView({ block: "center" });
    setTimeout(keepInView, 300);
  };
  if (ofRun)
    for (const name of USED_BY_HAND) window.addEventListener(name, () => { keepUntil = 0; }, { passive: true });
  if (ofRun)
    onAddress(() => {
      const run = inAddress("run");
      const wantedSource = run ? `run-${run}` : "";
      const line = inAddress("line");
      if (wantedSource === source && line === linked) return;
      source = wantedSource;
      linked = line;
      show(find("download"), Boolean(run));
      find("download").href = `download/run/${run}/log`;
      drawSources(source ? [source] : []);
      reset();
      if (run && line) showLinked();
      else if (run) turn();
    });
  lines.addEventListener("scroll", () => {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < AT_END;
    if (following && !atEnd) follow(false);
    else if (!following && atEnd && unread) follow(true);
  });
};
