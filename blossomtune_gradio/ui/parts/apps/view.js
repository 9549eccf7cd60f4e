// A card per app. What an app says of itself is put in as text; its README alone is HTML, which
// the server has cleaned, and it is asked for when it is opened.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, make, put, show, light, ask, poll, each, say, rowOf, actionButton } = blossom(element, server);
  let state = "";
  let known = new Map(); // name: what was shown of the app
  const TONES = { error: "bad", warning: "busy", note: "off" };
  const WORDS = { error: "Error", warning: "Warning", note: "Note" };

  const fold = (app, name, title) => {
    const node = make("details", "bt-more");
    node.id = `app-${name}-${app.name}`;
    node.append(make("summary", "", title));
    return node;
  };
  const create = (app) => {
    const node = make("li", "bt-app");
    node.id = `app-${app.name}`;
    const top = make("div", "bt-app-top");
    const deploy = actionButton("Deploy", () => tellForm("blossom:deploy", { app: app.name }));
    deploy.setAttribute("aria-label", `Deploy ${app.name}`);
    top.append(make("h3"), make("span", "bt-lamp"), deploy);
    const settings = fold(app, "settings", "");
    const scroll = make("div", "bt-scroll");
    scroll.tabIndex = 0;
    scroll.append(table());
    settings.append(scroll, make("p", "bt-quiet"));
    const facts = fold(app, "facts", "Facts");
    facts.append(make("dl", "bt-facts"));
    const readme = fold(app, "readme", "README");
    readme.append(make("div", "bt-readme"));
    readme.addEventListener("toggle", () => readme.open && openReadme(app.name, readme));
    const folds = make("div", "bt-app-folds");
    folds.append(settings, facts, readme);
    node.append(top, make("p", "bt-quiet bt-app-about"), make("p", "bt-app-description"), make("div", "bt-app-findings"), folds);
    return node;
  };
  const table = () => {
    const made = make("table", "bt-table bt-cards bt-settings");
    const head = make("tr");
    for (const word of ["Setting", "Type", "Default", "About it"]) {
      const cell = make("th", "", word);
      cell.scope = "col";
      head.append(cell);
    }
    made.append(make("thead"), make("tbody"));
    made.firstChild.append(head);
    return made;
  };
  const openReadme = async (name, node) => {
    const answer = await ask("app_readme", { name });
    const page = node.lastChild;
    if (typeof answer?.html === "string") page.innerHTML = answer.html;
    else put(page, answer?.error ?? "The server did not answer. Close and open it again.");
  };
  const fillSetting = (row, { key, type, default: value, comment }) =>
    [key, type, value, comment].forEach((text, index) => put(row.children[index], text));
  const createSetting = () => rowOf(["", "Type", "Default", "About it"]);
  const createFact = () => {
    const node = make("div");
    node.append(make("dt"), make("dd"));
    return node;
  };
  const createFinding = () => {
    const node = make("p", "bt-callout");
    node.append(make("strong"), make("span"));
    return node;
  };
  const fill = (node, app) => {
    const [top, about, description, findings, folds] = node.children;
    show(top.lastChild, app.tone !== "bad");
    put(top.firstChild, app.title);
    light(top.children[1], app.tone, app.word);
    put(about, app.about.join("  ·  "));
    put(description, app.description);
    show(description, Boolean(app.description));
    each(findings, app.findings, ({ level, text }) => level + text, createFinding, (one, { level, text }) => {
      one.dataset.tone = TONES[level];
      put(one.firstChild, `${WORDS[level]}: `);
      put(one.lastChild, text);
    });
    const [settings, facts, readme] = folds.children;
    const count = app.fields.length + app.more_fields;
    put(settings.firstChild, `${count} ${count === 1 ? "setting" : "settings"}`);
    show(settings, count > 0);
    each(settings.querySelector("tbody"), app.fields, ({ key }) => key, createSetting, fillSetting);
    put(settings.lastChild, app.more_fields ? `… and ${app.more_fields} more in pyproject.toml.` : "");
    each(facts.lastChild, app.facts, ([word]) => word, createFact, (one, [word, text]) => {
      put(one.firstChild, word);
      put(one.lastChild, text);
    });
    show(readme, app.has_readme);
    if (readme.open) openReadme(app.name, readme);
  };
  const tellForm = (what, detail) => document.dispatchEvent(new CustomEvent(what, { detail }));
  const turn = poll(async () => {
    const answer = await ask("apps", { state });
    show(find("fault"), Boolean(answer?.error));
    put(find("fault"), answer?.error ?? "");
    if (!answer?.rows) return;
    state = answer.state;
    each(find("apps"), answer.rows, ({ name }) => name, create, fill);
    const apps = answer.rows.map(({ name, tone }) => ({ name, runnable: tone !== "bad" }));
    const now = new Map(answer.rows.map((row) => [row.name, JSON.stringify(row)]));
    const mended = [...now.keys()].filter((name) => known.has(name) && known.get(name) !== now.get(name));
    known = now;
    tellForm("blossom:apps", { apps, mended });
    show(find("empty"), answer.rows.length === 0);
    put(find("folder"), answer.folder);
    show(find("form"), true);
  }, 5000);
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    find("make").disabled = true;
    trigger("make", { name: find("name").value, title: find("title").value });
  });
  watch("value", () => {
    const { tone, text } = props.value;
    say(tone, text);
    find("make").disabled = false;
    if (tone === "good") find("form").reset();
    turn();
  });
};
