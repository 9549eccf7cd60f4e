// One table, two views. The server searches, sorts and pages; the selection lives here, across pages.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, make, put, show, light, ask, poll, changed, ago, bytes, counted, each } = blossom(element, server);
  const WORDS = { approve: "Approve", deny: "Deny", revoke: "Revoke" };
  const CHIPS = {
    requests: [["", "All"], ["confirmed", "Waiting"], ["requested", "E-mail not proven"], ["denied", "Denied"], ["withdrawn", "Withdrawn"]],
    sites: [["", "All"], ["approved", "Approved"], ["online", "Online"], ["offline", "Offline"], ["registered", "Never seen"], ["no key", "Kit not used"], ["revoked", "Revoked"]],
  };
  const PRESENCES = ["online", "offline", "registered", "no key"];
  const SORTS = { "": "Most urgent first", site: "Site", email: "E-mail", organisation: "Organisation", requested: "Asked", changed: "Changed", partition: "Partition" };
  const COLUMNS = { // label: [sorts by, shown in]
    "": ["", "both"], Site: ["site", "both"], Request: ["changed", "both"], Partition: ["partition", "sites"],
    Connection: ["", "sites"], Work: ["", "sites"], Note: ["", "both"], Actions: ["", "both"],
  };
  const asked = { view: "", search: "", status: "", presence: "", sort: "", descending: false, page: 0 };
  const chosen = new Map(); // id: row, as it was when it was chosen
  let now = null;
  let shown = []; // the rows of this page
  let stale = false; // something else is asked for than what is on its way

  const button = (id, text, name, onClick, look = "") => {
    const made = make("button", `bt-button bt-small ${look}`, text);
    Object.assign(made, { type: "button", id });
    made.setAttribute("aria-label", `${text} ${name}`);
    made.addEventListener("click", onClick);
    return made;
  };
  const enable = (on) => {
    for (const control of element.querySelectorAll("[data-part=rows] button, [data-part=bulk] button")) control.disabled = !on;
  };

  // -- deciding ---------------------------------------------------------------------------------
  const decide = (what, people, more = {}) => {
    enable(false);
    trigger("decide", { what, ids: people.map((person) => person.id), ...more });
  };
  const askReason = (what, people) => {
    const names = people.slice(0, 8).map((person) => person.site).join(", ");
    put(find("decide-title"), people.length === 1 ? `${WORDS[what]} ${people[0].site}?` : `${WORDS[what]} ${people.length} ${what === "deny" ? "requests" : "sites"}?`);
    put(find("decide-names"), people.length === 1 ? "" : names + (people.length > 8 ? ` and ${people.length - 8} more` : ""));
    put(find("decide-yes"), people.length === 1 ? WORDS[what] : `${WORDS[what]} ${people.length}`);
    find("reason").value = "";
    find("decide-form").onsubmit = (event) => {
      event.preventDefault();
      find("decide").close();
      decide(what, people, { reason: find("reason").value });
    };
    find("decide").showModal();
    find("reason").focus();
  };
  const able = (what) => [...chosen.values()].filter((person) => person.can.includes(what));
  const bulk = (what) => (what === "approve" ? decide(what, able(what)) : askReason(what, able(what)));
  const drawBulk = () => {
    show(find("bulk"), chosen.size > 0);
    put(find("selected"), `${chosen.size} selected`);
    for (const what of Object.keys(WORDS)) {
      const made = find(`bulk-${what}`);
      const count = able(what).length;
      show(made, count > 0);
      put(made, `${WORDS[what]} ${count}${what === "approve" ? "" : "…"}`);
    }
    const all = find("all");
    const here = shown.filter((person) => chosen.has(person.id)).length;
    if (!all) return;
    all.checked = here > 0 && here === shown.length;
    all.indeterminate = here > 0 && here < shown.length;
  };
  const choose = (person, on) => {
    if (on) chosen.set(person.id, person);
    else chosen.delete(person.id);
    element.querySelector(`#participant-${person.id}`)?.classList.toggle("bt-chosen", on);
    const box = element.querySelector(`#choose-${person.id}`);
    if (box) box.checked = on;
    drawBulk();
  };

  // -- rows -------------------------------------------------------------------------------------
  const create = (person) => {
    const row = make("tr");
    row.id = `participant-${person.id}`;
    const cells = Object.keys(COLUMNS).map((label) => {
      const cell = make("td");
      if (label && label !== "Actions") cell.dataset.label = label;
      cell.dataset.in = COLUMNS[label][1];
      return cell;
    });
    const box = make("input");
    Object.assign(box, { type: "checkbox", id: `choose-${person.id}` });
    box.addEventListener("change", () => choose(row.person, box.checked));
    cells[0].className = "bt-tick";
    cells[0].append(box);
    const name = make("button", "bt-link bt-who");
    Object.assign(name, { type: "button", id: `person-${person.id}` });
    name.addEventListener("click", () => document.dispatchEvent(new CustomEvent("blossom:person", { detail: person.id })));
    cells[1].append(name, make("span", "bt-quiet bt-under"));
    for (const cell of [cells[2], cells[4]]) cell.append(make("span", "bt-lamp"), make("span", "bt-quiet bt-under"));
    cells[5].append(make("span"), make("span", "bt-quiet bt-under"));
    cells[6].append(make("span", "bt-words"), make("span", "bt-words bt-own"));
    cells[7].className = "bt-actions";
    row.append(...cells);
    return row;
  };
  const kit = (person) => {
    const link = make("a", "bt-button bt-small", "Get kit");
    Object.assign(link, { href: `download/kit/${person.id}`, id: `kit-${person.id}`, download: "" });
    link.title = "A new kit replaces the one before: its join token stops working.";
    link.setAttribute("aria-label", `Get the kit of ${person.site}`);
    return link;
  };
  const actions = (cell, person) => {
    const made = person.can.map((what) =>
      what === "approve"
        ? button(`approve-${person.id}`, WORDS.approve, person.site, () => decide(what, [person]), "bt-primary")
        : button(`${what}-${person.id}`, `${WORDS[what]}…`, person.site, () => askReason(what, [person])),
    );
    cell.replaceChildren(...(person.has_kit ? [kit(person)] : []), ...made);
  };
  const fill = (row, person) => {
    const [tick, who, status, partition, connection, work, words, cell] = row.children;
    row.person = person;
    row.classList.toggle("bt-chosen", chosen.has(person.id));
    tick.firstChild.checked = chosen.has(person.id);
    tick.firstChild.setAttribute("aria-label", `Select ${person.site}`);
    put(who.firstChild, person.site);
    put(who.lastChild, [person.email, person.organisation].filter(Boolean).join("  ·  "));
    light(status.firstChild, person.tone, person.status);
    put(status.lastChild, ago(person.since, now));
    put(partition, person.partition === null ? "–" : String(person.partition));
    light(connection.firstChild, person.presence_tone, person.presence);
    show(connection.firstChild, Boolean(person.presence));
    put(connection.lastChild, person.last_seen && person.presence !== "online" ? `seen ${ago(person.last_seen, now)}` : "");
    put(work.firstChild, person.rounds ? counted(person.rounds, "round") : "–");
    put(work.lastChild, person.received + person.sent ? `${bytes(person.received)} in, ${bytes(person.sent)} out` : "");
    put(words.firstChild, person.words);
    put(words.lastChild, person.note);
    const state = `${person.status} ${person.site}`;
    if (cell.dataset.state === state) return;
    cell.dataset.state = state;
    actions(cell, person);
  };

  // -- around the rows --------------------------------------------------------------------------
  const sortBy = (sort) => {
    asked.descending = asked.sort === sort && sort !== "" ? !asked.descending : false;
    asked.sort = sort;
    asked.page = 0;
    turn();
  };
  const drawHead = () => {
    const row = make("tr");
    for (const [label, [sort, where]] of Object.entries(COLUMNS)) {
      const cell = make("th");
      cell.scope = "col";
      cell.dataset.in = where;
      if (label === "") {
        const all = make("input");
        Object.assign(all, { type: "checkbox", id: "choose-all" });
        all.dataset.part = "all";
        all.setAttribute("aria-label", "Select all on this page");
        all.addEventListener("change", () => {
          const on = all.checked; // each choice redraws the box itself
          shown.forEach((person) => choose(person, on));
        });
        cell.className = "bt-tick";
        cell.append(all);
      } else if (sort) {
        const made = make("button", "bt-sort", label);
        Object.assign(made, { type: "button", id: `sort-${sort}` });
        made.addEventListener("click", () => sortBy(sort));
        cell.dataset.sort = sort;
        cell.append(made);
      } else cell.append(make("span", label === "Actions" ? "bt-unseen" : "", label));
      row.append(cell);
    }
    find("head").replaceChildren(row);
  };
  const drawSort = () => {
    for (const cell of find("head").querySelectorAll("[data-sort]")) {
      const mine = cell.dataset.sort === asked.sort;
      if (mine) cell.setAttribute("aria-sort", asked.descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    find("sort").value = asked.sort;
  };
  const drawChips = ({ counts, presences, view }) => {
    const all = CHIPS[view].filter(([word]) => word in counts).reduce((sum, [word]) => sum + counts[word], 0);
    const made = CHIPS[view].map(([word, text]) => ({ word, text, count: word === "" ? all : word in counts ? counts[word] : presences[word] }));
    each(find("chips"), made, (chip) => `${view} ${chip.word}`, (chip) => {
      const node = make("button", "bt-chip");
      node.type = "button";
      node.id = `chip-${(chip.word || "all").replace(" ", "-")}`;
      node.append(make("span", "", chip.text), make("span", "bt-count"));
      node.addEventListener("click", () => {
        asked.status = PRESENCES.includes(chip.word) ? "" : chip.word;
        asked.presence = PRESENCES.includes(chip.word) ? chip.word : "";
        asked.page = 0;
        turn();
      });
      return node;
    }, (node, chip) => {
      put(node.lastChild, String(chip.count));
      node.setAttribute("aria-pressed", String((asked.status || asked.presence) === chip.word));
    });
  };
  const drawView = (view, counts) => {
    asked.view = view;
    find("panel").dataset.view = view;
    find("panel").setAttribute("aria-labelledby", `people-${view}`);
    for (const tab of element.querySelectorAll("[role=tab]")) {
      const on = tab.dataset.view === view;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    put(find("count-requests"), counts.confirmed ? String(counts.confirmed) : "");
    put(find("count-sites"), counts.approved ? String(counts.approved) : "");
  };
  const drawPartitions = ({ total, assigned, free }) => {
    const input = find("total");
    if (document.activeElement !== input && find("save").disabled) input.value = total;
    input.dataset.kept = total;
    put(find("use"), `${assigned} with an owner, ${free === null ? "none free" : `lowest free: ${free}`}`);
  };
  const drawEmpty = ({ total, counts }) => {
    const nobody = Object.values(counts).every((count) => count === 0);
    show(find("table"), total > 0);
    show(find("empty"), total === 0);
    put(find("empty-title"), nobody ? "Nobody has asked for access yet." : asked.search || asked.status || asked.presence ? "Nobody fits." : asked.view === "sites" ? "No site is approved yet." : "Nobody waits.");
    put(find("empty-text"), nobody ? "A request appears here once its e-mail address is confirmed; approving it gives the site a data partition." : asked.search ? "Search for something else, or choose All." : "");
  };
  const drawDrift = (drift) =>
    each(find("drift"), drift, (one) => one.at + one.text, () => make("li", "bt-callout"), (node, one) => put(node, `${one.text} (${ago(one.at, now)})`));

  const load = async () => {
    const answer = await ask("people", { ...asked });
    if (stale || !answer) return;
    if (answer.error) return tell("bad", answer.error);
    ({ now, rows: shown } = answer);
    asked.page = answer.page;
    drawView(answer.view, answer.counts);
    drawChips(answer);
    drawPartitions(answer.partitions);
    drawDrift(answer.drift);
    drawEmpty(answer);
    each(find("rows"), shown, (person) => person.id, create, fill);
    for (const person of shown) if (chosen.has(person.id)) chosen.set(person.id, person);
    const first = answer.page * answer.size;
    put(find("range"), answer.total ? `${first + 1}–${first + shown.length} of ${answer.total}` : "");
    find("previous").disabled = answer.page === 0;
    find("next").disabled = first + shown.length >= answer.total;
    show(find("previous").parentElement, answer.total > answer.size);
    drawSort();
    drawBulk();
  };
  const look = poll(async () => {
    do {
      stale = false;
      await load();
    } while (stale);
  }, 3000);
  const turn = () => {
    stale = true;
    look();
  };
  const page = (step) => () => {
    asked.page += step;
    turn();
  };

  // -- what came of it --------------------------------------------------------------------------
  const tell = (tone, text, refused = []) => {
    find("said").dataset.tone = tone;
    put(find("said-text"), text);
    show(find("said"), true);
    const names = new Map(shown.map((person) => [person.id, person.site]));
    const list = refused.length > 1 || (refused.length && text.includes("see below")) ? refused : [];
    find("refused").replaceChildren(...list.map((one) => make("li", "", `${chosen.get(one.id)?.site ?? names.get(one.id) ?? one.id}: ${one.text}`)));
  };
  watch("value", () => {
    const { tone, text, done = [], refused = [] } = props.value;
    tell(tone, text, refused);
    for (const id of done) chosen.delete(id);
    find("save").disabled = true;
    enable(true);
    drawBulk();
    changed();
  });

  // -- controls ---------------------------------------------------------------------------------
  const tabs = [...element.querySelectorAll("[role=tab]")];
  const go = (tab) => {
    Object.assign(asked, { view: tab.dataset.view, status: "", presence: "", sort: "", descending: false, page: 0 });
    chosen.clear();
    show(find("said"), false);
    turn();
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => go(tab));
    tab.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      const other = tabs[(tabs.indexOf(tab) + 1) % tabs.length];
      other.focus();
      go(other);
    });
  }
  let typing = 0;
  find("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      Object.assign(asked, { search: find("search").value, page: 0 });
      turn();
    }, 200);
  });
  find("sort").append(...Object.entries(SORTS).map(([value, text]) => Object.assign(make("option", "", text), { value })));
  find("sort").addEventListener("change", () => sortBy(find("sort").value));
  find("previous").addEventListener("click", page(-1));
  find("next").addEventListener("click", page(1));
  for (const what of Object.keys(WORDS)) find(`bulk-${what}`).addEventListener("click", () => bulk(what));
  find("clear").addEventListener("click", () => [...chosen.values()].forEach((person) => choose(person, false)));
  find("decide-cancel").addEventListener("click", () => find("decide").close());
  find("total").addEventListener("input", () => (find("save").disabled = find("total").value === find("total").dataset.kept));
  find("partitions").addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("partitions", { total: Number(find("total").value) });
  });
  drawHead();
  document.addEventListener("blossom:changed", turn);
};
