// What belongs to an approved site: kit, commands, the newest preflight, its runs.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const {
    find, make, put, show, light, ask, onStanding, changed, ago, moment, each, copyText,
  } = blossom(element, server);
  const makeCommand = () => {
    const node = make("li");
    const line = make("div", "bt-command");
    const copy = make("button", "bt-button bt-small", "Copy");
    copy.type = "button";
    copy.addEventListener("click", () => copyText(copy, line.firstChild));
    line.append(make("pre"), copy);
    node.append(make("p"), line);
    return node;
  };
  const fillCommand = (node, { what, text }) => {
    put(node.firstChild, what);
    put(node.lastChild.firstChild, text);
    node.lastChild.lastChild.setAttribute("aria-label", `Copy: ${what}`);
  };

  const makeCheck = () => {
    const node = make("li");
    const words = make("div");
    words.append(make("strong"), make("p"));
    node.append(make("span", "bt-lamp"), words);
    return node;
  };
  const fillCheck = (node, { name, state, tone, sentence }) => {
    light(node.firstChild, tone, state);
    put(node.lastChild.firstChild, name);
    put(node.lastChild.lastChild, sentence);
  };

  const makeRun = () => {
    const node = make("li");
    const words = make("div");
    words.append(make("strong"), make("span", "bt-quiet bt-under"));
    node.append(words, make("span", "bt-lamp"));
    return node;
  };
  const fillRun = (node, run) => {
    const [words, lamp] = node.children;
    put(words.firstChild, run.name);
    put(words.lastChild, [run.app, run.rounds ? `round ${run.round} of ${run.rounds}` : "", run.cause].filter(Boolean).join("  ·  "));
    light(lamp, run.tone, run.status);
  };

  // Asked once for each approval: they do not change while the page is open.
  const LISTS = { commands: "commands", needs: "needs", systemd: "systemd", docker: "docker", own_key: "own-key", plain: "plain" };
  let known = ""; // for which approval
  const fetchWays = async (approval) => {
    if (known === approval) return;
    known = approval;
    const answer = await ask("ways").catch(() => undefined);
    if (!answer?.commands) {
      known = "";
      return;
    }
    for (const [name, list] of Object.entries(LISTS)) each(find(list), answer[name], ({ what }) => what, makeCommand, fillCommand);
    show(find("needs-fold"), answer.needs.length > 0);
  };
  find("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await ask("own_key", { key: find("key-form").elements.key.value }).catch(() => undefined);
    const line = find("key-said");
    line.dataset.tone = answer?.said ? "good" : "bad";
    put(line, answer?.said ?? answer?.error ?? "The server did not answer. Your key is still here; try again in a moment.");
    show(line, true);
    if (answer?.said) find("key-form").reset();
    changed();
  });

  onStanding(({ stage, member, report, runs, now }) => {
    show(find("all"), Boolean(member));
    if (!member) return;
    const fresh = stage.name === "kit";
    show(find("advice"), stage.name === "offline");
    put(find("kit-title"), fresh ? "Three commands" : "A new kit");
    put(
      find("kit-about"),
      fresh
        ? `The kit carries a token that works once, within ${member.token_hours} hours. Your site makes its own key; nothing secret of yours comes here.`
        : "Only if you lost the key or moved to another machine: a new kit means a new key, and the old one stops working.",
    );
    find("kit").href = member.kit;
    find("kit").classList.toggle("bt-primary", fresh);
    put(find("kit"), fresh ? "Get your kit" : "Get a new kit");
    fetchWays(`${member.kit} ${member.partition} ${member.partitions}`);
    show(find("report"), Boolean(report));
    if (report) {
      put(find("report-when"), `join.py looked ${moment(report.at)} (${ago(report.at, now)}).`);
      each(find("checks"), report.checks, ({ name }) => name, makeCheck, fillCheck);
    }
    show(find("runs"), runs.length > 0);
    each(find("run-list"), runs, ({ id }) => id, makeRun, fillRun);
  });
};
