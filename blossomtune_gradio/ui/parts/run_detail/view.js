// Shows one run when the address names one, and hides the rest of the page.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server, watch }) => {
  const {
    find, make, put, show, light, ask, poll, changed, seconds, span, ago, clock, exactly, bytes,
    each, inAddress, goTo, onAddress, title, sayAnswer, askFirst, takeBack, rowOf, drawWait,
  } = blossom(element, server);
  let id = 0;
  let run = null;
  let editing = false;
  let judged = 0; // the run whose evidence was opened or left closed; then the reader decides
  // A fact comes with its label and its unit, so one more is no matter of this script.
  const UNITS = {
    text: String,
    moment: exactly,
    bytes,
    seconds: (count) => (count < 60 ? `${Math.round(count * 10) / 10} s` : span(Math.round(count))),
  };
  const drawFailure = (one) => {
    const bad = one.over && one.cause;
    show(find("failure"), Boolean(bad));
    if (!bad) return;
    const calm = one.status === "completed"; // a remark, no failure
    find("failure").dataset.tone = calm && one.tone === "good" ? "off" : one.tone;
    find("failure").dataset.code = one.cause_code;
    put(find("cause"), one.cause);
    put(find("advice"), one.advice ?? "");
    show(find("advice"), Boolean(one.advice));
    put(find("evidence"), (one.evidence ?? []).join("\n"));
    show(find("evidence-box"), (one.evidence ?? []).length > 0);
    if (judged !== one.id) find("evidence-box").open = !calm;
    judged = one.id;
    each(find("tails"), one.sites.filter((site) => site.tail), (site) => site.node, () => {
      const tail = make("details");
      const text = make("pre");
      text.tabIndex = 0;
      tail.append(make("summary"), text);
      return tail;
    }, (tail, site) => {
      put(tail.firstChild, `What ${site.name} wrote when it failed`);
      put(tail.lastChild, site.tail);
    });
  };
  const drawSites = (one) => {
    each(find("sites"), one.sites, (site) => site.node, () => {
      const row = rowOf(["Site", "Asked", "Answered", "Failed", "Last round", "Note"]);
      row.firstChild.append(make("strong"), make("span", "bt-quiet bt-under"));
      return row;
    }, (row, site) => {
      const [name, asked, answered, failed, last, note] = row.children;
      put(name.firstChild, site.name);
      put(name.lastChild, site.partition === null ? "" : `partition ${site.partition}`);
      put(asked, String(site.asked));
      put(answered, String(site.answered));
      put(failed, String(site.failures || ""));
      put(last, String(site.last_round || ""));
      const open = site.open_since && !one.over ? `at work for ${span(seconds(site.open_since, one.now))}` : "";
      put(note, [open, site.last_error].filter(Boolean).join("; "));
    });
    show(find("sites-table"), one.sites.length > 0);
    show(find("no-sites"), one.sites.length === 0);
  };
  const drawFiles = (one) => {
    const { listed, left_out: left } = one.files;
    each(find("files"), listed, (file) => file.name, () => {
      const row = make("li");
      row.append(Object.assign(make("a", "bt-link"), { download: "" }), make("span", "bt-quiet"));
      return row;
    }, (row, file) => {
      put(row.firstChild, file.name);
      row.firstChild.href = file.href;
      put(row.lastChild, bytes(file.size));
    });
    put(find("files-left"), left ? `${left} more cannot be listed: links, odd names, or too many.` : "");
    show(find("files-left"), left > 0);
    show(find("files-box"), listed.length + left > 0);
  };
  const draw = (one) => {
    put(find("title"), one.name);
    light(find("state"), one.tone, one.status);
    const who = one.source === "outside" ? "started outside, by flwr run," : `deployed by ${one.by || "?"}`;
    put(find("about"), `${one.app}  ·  ${who} ${ago(one.created, one.now)}`);
    each(find("tags"), one.tags, (tag) => tag, () => make("span", "bt-tag"), put);
    show(find("halt"), !one.over);
    show(find("delete"), one.over && one.can_delete);
    find("again").href = `runs?again=${one.id}`;
    put(find("pin"), one.pinned ? "★ Pinned" : "☆ Pin");
    find("pin").setAttribute("aria-pressed", String(one.pinned));
    find("watching").checked = one.watched;
    show(find("watching").closest("label"), !one.over);
    drawWait(find("wait"), one.wait, one.now);
    drawFailure(one);
    each(find("facts"), one.facts, (fact) => fact.label, () => {
      const row = make("div");
      row.append(make("dt"), make("dd"));
      return row;
    }, (row, fact) => {
      put(row.firstChild, fact.label);
      put(row.lastChild, UNITS[fact.unit](fact.value));
    });
    drawSites(one);
    drawFiles(one);
    each(find("events"), one.events, (event) => event.id, () => {
      const row = make("li");
      row.append(make("time"), make("span"));
      return row;
    }, (row, event) => {
      row.dataset.kind = event.kind;
      put(row.firstChild, clock(event.at));
      row.firstChild.title = exactly(event.at);
      put(row.lastChild, event.text);
    });
    each(find("config"), one.config, (entry) => entry.key, () => {
      const row = make("tr");
      row.append(Object.assign(make("th"), { scope: "row" }), make("td"), make("td", "bt-quiet"));
      return row;
    }, (row, entry) => {
      put(row.children[0], entry.key);
      put(row.children[1], entry.value);
      put(row.children[2], entry.changed ? "changed" : "");
      row.dataset.changed = entry.changed;
    });
    put(find("command"), one.command);
    show(find("command").parentElement, Boolean(one.command));
    put(find("note"), one.note);
    show(find("note"), Boolean(one.note));
    if (!editing) {
      find("edit-tags").value = one.tags.join(", ");
      find("edit-note").value = one.note;
    }
  };
  const turn = poll(async () => {
    if (!id) return;
    const asked = id;
    const answer = await ask("detail", { id });
    if (!answer || asked !== id) return;
    show(find("full"), !answer.error);
    show(find("gone"), Boolean(answer.error));
    if (answer.error) return put(find("gone-text"), answer.error);
    run = answer;
    draw(run);
    title(`${run.name} · ${run.status}`);
    document.dispatchEvent(new CustomEvent("blossom:run", { detail: { id: run.id, points: run.points } }));
  }, 2000);
  const act = async (what, asked) => {
    sayAnswer(await ask(what, { id, ...asked }));
    changed();
    turn();
  };
  find("again").addEventListener("click", (event) => {
    event.preventDefault();
    goTo(`again=${id}`);
  });
  find("back").addEventListener("click", (event) => {
    event.preventDefault();
    goTo("");
  });
  find("halt").addEventListener("click", () => {
    if (!run.stake) return act("halt");
    askFirst(find("halt"), run.stake, "Stop it", () => act("halt"));
  });
  find("pin").addEventListener("click", () => act("mark", { pinned: !run.pinned }));
  find("watching").addEventListener("change", (event) => act("watch", { on: event.target.checked }));
  find("delete").addEventListener("click", () => {
    askFirst(find("delete"), "Delete it for ever, with log, numbers and files?", "Delete", async () => {
      const answer = await ask("remove", { id });
      if (!answer || answer.error) return sayAnswer(answer);
      goTo("");
      changed();
    });
  });
  find("marks").addEventListener("input", () => { editing = true; });
  find("marks").addEventListener("submit", async (event) => {
    event.preventDefault();
    await act("mark", { tags: find("edit-tags").value, note: find("edit-note").value });
    editing = false;
  });
  onAddress(() => {
    const next = inAddress("run");
    document.body.dataset.run = next || "";
    if (next === id) return;
    [id, run, editing] = [next, null, false];
    takeBack();
    title("");
    show(find("said"), false);
    show(find("full"), false);
    show(find("gone"), false);
    if (id) turn();
    if (!inAddress("line")) scrollTo({ top: 0 });
  });
};
