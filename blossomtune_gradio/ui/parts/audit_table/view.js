// Newest first; the server filters and pages. `way` holds the pages on the way to the one shown.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const { find, make, put, show, light, ask, poll, ago, exactly, each, rowOf } = blossom(element, server);
  const filters = find("filters");
  let way = [null];
  let answer = null;
  let turnOf = 0;

  const wanted = () => Object.fromEntries([...new FormData(filters)].filter(([, value]) => value));
  const links = () => {
    const { until, ...rest } = wanted();
    const day = until ? { until: new Date(Date.parse(until) + 86400000).toISOString().slice(0, 10) } : {};
    const query = new URLSearchParams({ ...rest, ...day }).toString();
    for (const form of ["jsonl", "csv"]) {
      const href = `download/audit.${form}${query ? `?${query}` : ""}`;
      if (find(form).getAttribute("href") !== href) find(form).setAttribute("href", href);
    }
  };
  const create = () => {
    const row = rowOf(["When", "Who", "What", "On what", "Change"]);
    row.children[0].append(make("time"), make("span", "bt-quiet bt-under"));
    row.children[2].append(make("code"));
    for (const place of [1, 3]) row.children[place].append(make("span"), make("span", "bt-quiet bt-under"));
    return row;
  };
  const fill = (row, entry) => {
    const [when, who, what, target, change] = row.children;
    when.firstChild.dateTime = entry.at;
    put(when.firstChild, exactly(entry.at));
    put(when.lastChild, `entry ${entry.id}`);
    put(who.firstChild, entry.who);
    put(who.lastChild, entry.actor);
    put(what.firstChild, entry.action);
    put(target.firstChild, entry.target);
    put(target.lastChild, entry.target_id);
    put(change, entry.change);
  };
  const draw = () => {
    const { rows, total, before, chain, now } = answer;
    light(find("lamp"), chain.tone, chain.word);
    put(find("state"), `${chain.entries} ${chain.entries === 1 ? "entry" : "entries"}, checked ${ago(chain.checked, now)}`);
    put(find("broken"), chain.tone === "good" ? "" : `${chain.sentence} Everything before that is as it was written.`);
    show(find("broken"), chain.tone !== "good");
    each(find("rows"), rows, (entry) => entry.id, create, fill);
    show(find("table"), rows.length > 0);
    show(find("empty"), rows.length === 0);
    put(find("count"), rows.length ? `${rows.length} of ${total}, page ${way.length}` : "");
    find("newer").disabled = way.length === 1;
    find("older").disabled = before === null;
  };
  const look = async (afresh = false) => {
    const turn = ++turnOf;
    const found = await ask("audit", { ...wanted(), before: way.at(-1), afresh });
    if (turn !== turnOf) return; // something newer was asked meanwhile
    if (found?.error) {
      put(find("count"), found.error);
      return;
    }
    if (!found?.rows) return;
    answer = found;
    draw();
  };
  const again = poll(() => look(), 5000);
  let typing = 0;
  filters.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      way = [null];
      links();
      look();
    }, 250);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  find("check").addEventListener("click", () => look(true));
  find("older").addEventListener("click", () => {
    if (answer?.before === null) return;
    way = [...way, answer.before];
    look();
  });
  find("newer").addEventListener("click", () => {
    way = way.length > 1 ? way.slice(0, -1) : way;
    look();
  });
  links();
  document.addEventListener("blossom:changed", again);
};
