// Polls with one byte cursor per source; log text is hostile and only ever becomes text nodes.
const MOST_LINES = 2000;
const lines = find("lines");
let cursor = {};
let source = "";
let wanted = ""; // what the search box filters for, in small letters
let following = true;
let unread = 0;
let searching = false; // older lines are shown instead of the newest
let era = 0; // an answer to a question from before a reset is thrown away

const mark = (node, text) => {
  const at = wanted ? text.toLowerCase().indexOf(wanted) : -1;
  if (at < 0) return put(node, text);
  const hit = make("mark", "", text.slice(at, at + wanted.length));
  node.replaceChildren(text.slice(0, at), hit, text.slice(at + wanted.length));
};
const filter = (row) => {
  const [, from, text] = row.children;
  row.hidden = Boolean(wanted) && !`${from.textContent} ${text.textContent}`.toLowerCase().includes(wanted);
  mark(text, text.textContent);
};
const rowOf = (line) => {
  const row = make("div", "bt-line");
  row.dataset.level = line.level;
  const time = make("time", "", clock(line.time));
  time.title = line.time;
  row.append(time, make("span", "bt-from", line.source), make("span", "bt-text", line.text));
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
  lines.append(...found.map(rowOf));
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
  each(choice, ["", ...names], (name) => name, () => make("option"), (node, name) => {
    if (node.value !== name || !node.textContent) node.value = name;
    put(node, name || "all");
  });
};

const turn = poll(async () => {
  if (searching) return;
  const asked = era;
  let more = true;
  while (more) {
    const answer = await ask("tail", { cursor, source });
    if (!answer || asked !== era) return;
    if (answer.error) return note(answer.error);
    ({ cursor, more } = answer);
    drawSources(answer.sources);
    if (answer.lines.length) add(answer.lines);
  }
  empty();
}, 1000);

find("source").addEventListener("change", (event) => {
  source = event.target.value;
  reset();
  turn();
});
find("text").addEventListener("input", (event) => {
  wanted = event.target.value.trim().toLowerCase();
  if (searching && !wanted) {
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
  const answer = await ask("search", { text: wanted, source });
  if (!answer || answer.error) return note(answer?.error ?? "The server did not answer. Press Enter to try again.");
  lines.replaceChildren(...answer.lines.map(rowOf));
  const count = answer.lines.length;
  note(count ? `The newest ${count} lines that match. Empty the search to go on with the live log.` : "No line matches, old ones included. Empty the search to go on with the live log.");
  toEnd();
});
find("follow").addEventListener("click", () => follow(!following));
lines.addEventListener("scroll", () => {
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
  if (following && !atEnd) follow(false);
  else if (!following && atEnd && unread) follow(true);
});
