// How the run and the sites stand, from the pulse of the header.
import { bind } from "../kit/bound.js";
import { cells, each, light, make, put, show } from "../kit/dom.js";
import { onPulse } from "../kit/talk.js";
import { ago, clock, seconds, span } from "../kit/words.js";

const ENDED = ["completed", "failed", "stopped", "lost"];
const MOST_SEGMENTS = 40;
const HINTS = [
  "This is the public view: numbers, no names. Sign in to bring a site of your own.",
  "Of the sites you see your own; names of others are for researchers and admins.",
];

const fillSite = (now) => (row, site) => {
  const { name, partition, lamp, seen } = cells(row);
  put(name, site.name);
  put(partition, `partition ${site.partition}`);
  light(lamp, site.tone, site.presence);
  put(seen, site.last_seen ? `seen ${ago(site.last_seen, now)}` : "");
};

const roundWords = (run, over) => {
  if (!run.rounds) return run.round ? `Round ${run.round}` : "";
  if (!run.round) return over ? `No round of ${run.rounds}` : `0 of ${run.rounds} rounds`;
  return `Round ${run.round} of ${run.rounds}`;
};

export const mount = ({ element, server }) => {
  const { find } = bind(element, server);

  // One segment per round; many rounds become one bar.
  const drawBar = (run, over) => {
    const bar = find("bar");
    const done = run.status === "completed" ? run.round : Math.max(0, run.round - 1);
    const count = run.rounds <= MOST_SEGMENTS ? run.rounds : 1;
    each(bar, [...Array(count).keys()], (index) => index, () => make("span"), (node, index) => {
      const part = count === run.rounds ? Math.min(1, Math.max(0, done - index)) : done / run.rounds;
      node.style.setProperty("--done", part);
      const here = count === run.rounds && index === run.round - 1 && part < 1;
      node.className = here ? (over ? "bt-broken" : "bt-busy") : "";
    });
    bar.setAttribute("aria-valuemax", run.rounds);
    bar.setAttribute("aria-valuenow", done);
    bar.setAttribute("aria-valuetext", roundWords(run, over));
    show(bar, run.rounds > 0);
  };

  const drawRun = (run, now, queued) => {
    const over = ENDED.includes(run.status);
    put(find("title"), over ? "Latest run" : "Current run");
    light(find("status"), run.tone, run.status === "running" && run.why && !run.round ? "waiting" : run.status);
    put(find("name"), run.name);
    const facts = [run.app];
    if (run.started) facts.push(`started ${clock(run.started)}`);
    if (run.started) facts.push(`${over ? "took" : "for"} ${span(seconds(run.started, run.ended ?? now))}`);
    const waiting = queued - (run.status === "queued" ? 1 : 0);
    if (waiting > 0) facts.push(`${waiting} more in the queue`);
    put(find("about"), facts.join("  ·  "));
    put(find("why"), run.why);
    find("why").dataset.tone = run.tone === "good" ? "busy" : run.tone;
    show(find("why"), Boolean(run.why));
    put(find("round"), [roundWords(run, over), run.answers].filter(Boolean).join("  ·  "));
    drawBar(run, over);
  };

  onPulse(({ run, sites, approved, online, running, now, queued, who }) => {
    show(find("run"), Boolean(run));
    show(find("empty"), !run);
    show(find("status"), Boolean(run));
    if (run) drawRun(run, now, queued);
    put(find("empty-lead"), running ? "Ready for a run." : "Nothing is running yet.");
    const guest = who.role < 2; // neither researcher nor admin
    const up = "The SuperLink is up. Choose an app and deploy it to the sites.";
    const down = "Start the SuperLink first, then deploy a run. Rounds, charts and logs appear here.";
    put(find("empty-next"), guest ? "Rounds appear here as soon as a run starts." : running ? up : down);
    put(find("hint"), HINTS[who.role] ?? "");
    show(find("hint"), guest && (approved > 0 || who.role === 0));
    each(find("sites"), sites, (site) => site.name, find("site"), fillSite(now));
    show(find("no-sites"), approved === 0);
    put(find("online"), approved ? `${online} of ${approved} online` : "");
  });
};
