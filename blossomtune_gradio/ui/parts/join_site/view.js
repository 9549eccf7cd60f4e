// What belongs to an approved site: kit, commands, the newest preflight, its runs.
import { bind } from "../kit/bound.js";
import { cells, copy, copyText, each, light, put, show } from "../kit/dom.js";
import { changed, onStanding } from "../kit/talk.js";
import { ago, moment } from "../kit/words.js";

const LISTS = { commands: "commands", needs: "needs", systemd: "systemd", docker: "docker", own_key: "own-key", plain: "plain" };

const fillCommand = (row, command) => {
  const { what, text, copy: button } = cells(row);
  put(what, command.what);
  put(text, command.text);
  button.setAttribute("aria-label", `Copy: ${command.what}`);
};
const fillCheck = (row, check) => {
  const { lamp, name, sentence } = cells(row);
  light(lamp, check.tone, check.state);
  put(name, check.name);
  put(sentence, check.sentence);
};
const fillRun = (row, run) => {
  const { name, about, lamp } = cells(row);
  put(name, run.name);
  put(about, [run.app, run.rounds ? `round ${run.round} of ${run.rounds}` : "", run.cause].filter(Boolean).join("  ·  "));
  light(lamp, run.tone, run.status);
};

export const mount = ({ element, server }) => {
  const { find, ask } = bind(element, server);
  const createCommand = () => {
    const row = copy(find("command"));
    const { copy: button, text } = cells(row);
    button.addEventListener("click", () => copyText(button, text));
    return row;
  };

  // Asked once for each approval: they do not change while the page is open.
  let known = ""; // for which approval
  const fetchWays = async (approval) => {
    if (known === approval) return;
    known = approval;
    const answer = await ask("ways").catch(() => undefined);
    if (!answer?.commands) {
      known = "";
      return;
    }
    for (const [name, list] of Object.entries(LISTS)) each(find(list), answer[name], ({ what }) => what, createCommand, fillCommand);
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
      each(find("checks"), report.checks, ({ name }) => name, find("check"), fillCheck);
    }
    show(find("runs"), runs.length > 0);
    each(find("run-list"), runs, ({ id }) => id, find("run"), fillRun);
  });
};
