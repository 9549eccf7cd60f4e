// What was typed is kept here, for each app, and only ever changed by the person at the keyboard.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server, watch }) => {
  const {
    find, make, put, show, ask, changed, each, inAddress, onAddress, linkTo, actionButton, SILENT,
    say, copyText,
  } = blossom(element, server);
  const NAMES = ["min_sites", "quorum_seconds", "round_seconds"];
  const drafts = {}; // app: {key: what was typed}
  let shown = null; // the answer the form was made from
  let wantedApp = "";
  let key = "";
  let era = 0;
  let checks = 0;
  let later = 0;
  let loading = false;
  let news = null; // what the cards of apps told and the form does not show yet

  const draft = () => (drafts[wantedApp] ??= {});
  const named = (name) => element.querySelector(`[data-name="${name}"]`);

  // One widget for each setting: a switch, a number, or a text.
  const valueOf = (field) => draft()[field.key] ?? field.default;
  // A text area knows one kind of line break.
  const plainBreaks = (text) => String(text).replace(/\r\n?/g, "\n");
  const isChanged = (field) => plainBreaks(valueOf(field)) !== plainBreaks(field.default);
  const hasLines = (field) => field.type !== "bool" && /[\r\n]/.test(`${field.default}${valueOf(field)}`);
  const plainNumber = (text) => /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);
  const makeField = (field) => {
    const box = make("label", "bt-input");
    box.dataset.field = `config.${field.key}`;
    const input = hasLines(field) ? make("textarea", "bt-area") : make("input");
    input.id = `config-${field.key}`;
    if (input.localName === "textarea") input.rows = Math.min(12, plainBreaks(valueOf(field)).split("\n").length + 1);
    else if (field.type === "bool") input.type = "checkbox";
    else if ((field.type === "int" || field.type === "float") && plainNumber(field.default)) {
      input.type = "number";
      input.step = field.type === "int" ? "1" : "any";
      if (field.least !== undefined) input.min = field.least;
      if (field.most !== undefined) input.max = field.most;
    }
    input.autocomplete = "off";
    input.spellcheck = false;
    const back = actionButton("↺", (event) => {
      event.preventDefault();
      delete draft()[field.key];
      fillFields();
      soon();
    }, "bt-back");
    back.title = "Back to the default";
    back.setAttribute("aria-label", `${field.key}: back to the default`);
    const head = make("span", "bt-input-name", field.key);
    const fault = make("em", "bt-fault");
    fault.dataset.part = "fault";
    fault.hidden = true;
    box.append(head, input, back, make("small", "", field.comment), make("small", "", field.comment.includes("..") ? "" : field.range ?? ""), make("small", "bt-default"), fault);
    input.addEventListener("input", () => {
      const typed = field.type === "bool" ? input.checked : input.validity.badInput ? "no number" : input.value;
      draft()[field.key] = typed;
      if (!isChanged(field)) delete draft()[field.key];
      markField(box, field);
      soon();
    });
    return box;
  };
  const markField = (box, field) => {
    const changed = isChanged(field);
    box.dataset.changed = changed;
    show(box.querySelector(".bt-back"), changed);
    put(box.querySelector(".bt-default"), changed ? `default: ${field.type === "bool" ? (field.default ? "on" : "off") : field.default || "empty"}` : "");
    countChanged();
  };
  const fillFields = () => {
    const keyOf = (field) => `${shown.app}/${field.key}/${hasLines(field) ? "lines" : "line"}`;
    each(find("config"), shown.fields, keyOf, makeField, (box, field) => {
      const input = box.querySelector("input, textarea");
      const value = valueOf(field);
      if (field.type === "bool") input.checked = value === true;
      else if (input.value !== plainBreaks(value) && !input.validity.badInput) input.value = value;
      markField(box, field);
    });
    show(find("no-config"), shown.fields.length === 0);
  };
  const countChanged = () => {
    const count = shown ? shown.fields.filter(isChanged).length : 0;
    put(find("changed"), count ? `${count} changed` : "all as the app has it");
  };

  const filled = () => ({
    app: wantedApp,
    name: named("name").value,
    tags: named("tags").value,
    values: Object.fromEntries((shown?.fields ?? []).map((field) => [field.key, valueOf(field)])),
    on_quorum: named("on_quorum").value,
    partitions: named("partitions").value,
    ...Object.fromEntries(NAMES.map((name) => [name, named(name).validity.badInput ? "no number" : named(name).value])),
  });
  const drawFaults = (faults) => {
    let first = null;
    for (const box of element.querySelectorAll("[data-field]")) {
      const text = faults[box.dataset.field] ?? "";
      const fault = box.querySelector(".bt-fault");
      put(fault, text);
      show(fault, Boolean(text));
      box.querySelector("input, select, textarea").setAttribute("aria-invalid", String(Boolean(text)));
      if (text && !first) first = box;
    }
    return first;
  };
  const check = async () => {
    const asked = (checks += 1);
    const answer = await ask("check", filled());
    if (asked !== checks || !answer || answer.error) return; // something newer is on its way
    drawFaults(answer.faults);
    put(find("command"), answer.command);
  };
  const soon = () => {
    clearTimeout(later);
    later = setTimeout(check, 350);
  };

  // Presets, "as last time" and "run again" fill the same things.
  const apply = (from) => {
    drafts[wantedApp] = { ...from.values };
    for (const name of NAMES) named(name).value = from.limits[name] || "";
    named("on_quorum").value = from.limits.on_quorum ?? "stop";
    if (from.tags !== undefined) named("tags").value = from.tags;
    fillFields();
    soon();
  };
  const drawPresets = () => {
    const none = { id: 0, name: shown.presets.length ? "choose…" : "none saved yet" };
    each(find("preset"), [none, ...shown.presets], (preset) => preset.id, () => make("option"), (node, preset) => {
      node.value = preset.id;
      put(node, preset.by ? `${preset.name} (${preset.by})` : preset.name);
    });
    find("preset").disabled = shown.presets.length === 0;
  };
  const draw = () => {
    each(find("app"), shown.apps, (app) => app.name, () => make("option"), (node, app) => {
      node.value = app.name;
      put(node, app.runnable ? app.name : `${app.name} (cannot run)`);
    });
    find("app").value = shown.app;
    put(find("about"), shown.about);
    each(find("findings"), shown.findings, (finding) => finding.text, () => make("p", "bt-callout"), (node, finding) => {
      node.dataset.tone = finding.tone;
      put(node, finding.text);
    });
    each(find("lacks"), shown.lacks, (text) => text, () => make("p", "bt-callout"), (node, text) => {
      node.dataset.tone = "busy";
      put(node, text);
    });
    if (!named("partitions").value) named("partitions").value = shown.partitions;
    const keys = shown.site_keys.join(", ");
    put(find("site-keys"), keys ? `The run waits until so many are online; also sets ${keys}.` : "The run waits until so many are online.");
    show(find("last"), Boolean(shown.last));
    drawPresets();
    fillFields();
    allowDeploy();
  };
  // Not while the form is still that of the app before: its values would be refused, with no field to
  // say so at.
  const allowDeploy = () => {
    const app = shown?.app === wantedApp && shown.apps.find((one) => one.name === wantedApp);
    find("deploy").disabled = !(app && app.runnable);
  };
  const follow = () => {
    if (!news) return;
    const { apps, mended } = news;
    news = null;
    const same = JSON.stringify(shown?.apps) === JSON.stringify(apps);
    if (same && !mended.includes(wantedApp)) return;
    load(apps.some((app) => app.name === wantedApp) ? { app: wantedApp } : {});
  };
  const load = async (asked) => {
    const mine = (era += 1);
    loading = true;
    const answer = await ask("form", asked);
    if (mine !== era) return; // another app was chosen meanwhile
    loading = false;
    if (!answer || answer.error) return say("busy", answer?.error ?? SILENT);
    shown = answer;
    wantedApp = answer.app;
    key ||= answer.key;
    draw();
    if (answer.again && asked.again) apply(answer.again);
    else soon();
    follow();
  };

  const choose = (name) => {
    wantedApp = name;
    allowDeploy();
    say("busy", "");
    drawFaults({});
    return load({ app: wantedApp });
  };
  find("app").addEventListener("change", (event) => choose(event.target.value));
  // The list follows the folder: an app that came can be chosen, one that was mended has its new
  // fields. What was typed stays; an answer that is on its way is not overtaken.
  document.addEventListener("blossom:apps", ({ detail }) => {
    news = detail;
    if (!loading) follow();
  });
  document.addEventListener("blossom:deploy", async ({ detail }) => {
    await choose(detail.app);
    element.scrollIntoView({ block: "start" });
    find("deploy").focus({ preventScroll: true });
  });
  find("preset").addEventListener("change", (event) => {
    const preset = shown.presets.find((one) => one.id === Number(event.target.value));
    show(find("drop"), Boolean(preset?.mine));
    if (preset) apply(preset);
  });
  find("last").addEventListener("click", () => apply(shown.last));
  find("defaults").addEventListener("click", () => apply({ values: {}, limits: {} }));
  find("drop").addEventListener("click", async () => {
    const answer = await ask("drop", { id: Number(find("preset").value), app: wantedApp });
    if (!answer || answer.error) return say("bad", answer?.error ?? SILENT);
    shown.presets = answer.presets;
    show(find("drop"), false);
    drawPresets();
  });
  find("keep").addEventListener("click", async () => {
    const answer = await ask("keep", { ...filled(), preset: find("preset-name").value });
    if (!answer || answer.error) return say("bad", answer?.error ?? SILENT);
    if (answer.faults) return drawFaults(answer.faults)?.scrollIntoView({ block: "center" });
    drawFaults({});
    shown.presets = answer.presets;
    drawPresets();
    say("good", `${find("preset-name").value} is saved.`);
    find("preset-name").value = "";
  });
  find("copy").addEventListener("click", () => copyText(find("copy"), find("command")));
  find("form").addEventListener("input", (event) => {
    if (event.target.dataset.name) soon();
  });
  find("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    find("deploy").disabled = true;
    checks += 1; // an older check must not take the faults away
    const answer = await ask("deploy", { ...filled(), key, watch: find("watch").checked });
    allowDeploy();
    if (!answer) return say("busy", "The server did not answer. Press Deploy again: it stays one run.");
    if (answer.error) return say("bad", answer.error);
    const fault = drawFaults(answer.faults ?? {});
    if (answer.faults) {
      fault?.scrollIntoView({ block: "center" });
      fault?.querySelector("input, select, textarea").focus({ preventScroll: true });
      return say("bad", fault ? answer.text : Object.values(answer.faults).join(" "));
    }
    key = answer.key;
    named("name").value = "";
    say("good", answer.text);
    find("said").append(" ", linkTo("Look at it", `run=${answer.id}`));
    changed();
  });
  onAddress(() => {
    const again = inAddress("again");
    if (!again) return shown ?? load({});
    load({ again }).then(() => element.scrollIntoView({ block: "start" }));
  });
};
