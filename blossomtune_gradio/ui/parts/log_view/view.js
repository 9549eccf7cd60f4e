// Polls with one byte cursor per source; log text is hostile and only ever becomes text nodes.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const {
    find, make, put, show, ask, poll, clock, each, inAddress, onAddress, linkTo, SILENT,
  } = blossom(element, server);
  const MOST_LINES = 2000;
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
  const LEVELS = { warnings: ["WARNING", "ERROR", "CRITICAL"], errors: ["ERROR", "CRITICAL"] };
  let era = 0; // an answer to a question from before a reset is thrown away

  const mark = (node, text) => {
    const at = wanted ? text.toLowerCase().indexOf(wanted) : -1;
    if (at < 0) return put(node, text);
    const hit = make("mark", "", text.slice(at, at + wanted.length));
    node.replaceChildren(text.slice(0, at), hit, text.slice(at + wanted.length));
  };
  const filter = (row) => {
    const [, from, text] = row.children;
    const said = `${from.textContent} ${text.textContent}`.toLowerCase();
    const blank = !text.textContent.trim(); // Flower writes many
    const quiet = LEVELS[level] && !LEVELS[level].includes(row.dataset.level);
    row.hidden = blank || quiet || (Boolean(wanted) && !said.includes(wanted));
    mark(text, text.textContent);
  };
  const lineOf = (line) => {
    const row = make("div", "bt-line");
    row.dataset.level = line.level;
    const time = make("time", "", clock(line.time));
    time.title = line.time;
    row.dataset.line = `${line.source}:${line.offset}`;
    const run = /^run-(\d+)$/.exec(line.source)?.[1];
    if (run) {
      const link = linkTo(time.textContent, `run=${run}&line=${line.offset}`, "bt-line-link");
      link.title = `${line.time}: link to this line`;
      time.replaceChildren(link);
    }
    if (linked && ofRun && line.source === source && line.offset === linked) row.classList.add("bt-linked");
    row.append(time, Object.assign(make("span", "bt-from", line.source), { title: line.source }), make("span", "bt-text", line.text));
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
    while (lines.childElementCount > MOST_LINES) lines.firstElementChild.remove();
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
    keepUntil = Date.now() + 6000;
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
    for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(name, () => { keepUntil = 0; }, { passive: true });
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
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
    if (following && !atEnd) follow(false);
    else if (!following && atEnd && unread) follow(true);
  });
};
