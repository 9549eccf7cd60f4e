// One participant in full, in a drawer beside the table: facts, note, preflight, keys, history.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, light, make, put, show } from "../kit/dom.js";
import { changed, hear } from "../kit/talk.js";
import { SILENT, moment } from "../kit/words.js";
import { factsOf } from "./facts.js";

/** @import { Answer, Given, Said } from "../types/part.d.ts" */
/** @import { CheckView, HistoryRow, KeyRow, PersonDetails } from "../types/rest.d.ts" */
/** @typedef {{ person: (asked: { id: number }) => Promise<Answer<PersonDetails>> }} Server */

/** A line, and what is said of it below. @param {string} text @param {(string | false | null)[]} below */
const item = (text, ...below) => {
  const node = make("li");
  node.append(make("span", "", text));
  for (const one of below) if (one) node.append(make("span", "bt-quiet bt-under", one));
  return node;
};
const drawKey = (/** @type {KeyRow} */ { fingerprint, added, retired, node }) => {
  const when = `handed in ${moment(added)}${retired ? `, retired ${moment(retired)}` : ""}`;
  return item(fingerprint, when, node && `node ${node}`);
};
const drawEntry = (/** @type {HistoryRow} */ { who, what, at, detail, address }) =>
  item(`${who} ${what}`, [moment(at), detail, address && `from ${address}`].filter(Boolean).join("  ·  "));

/** @param {HTMLElement} list @param {HTMLElement[]} items @param {string} none */
const fillList = (list, items, none) => list.replaceChildren(...(items.length ? items : [item(none)]));

/** @param {Given<Server, Said>} given */
export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, say } = bind(element, server);
  const drawer = find("drawer", HTMLDialogElement);
  const partition = find("partition", HTMLInputElement);
  const note = find("note", HTMLTextAreaElement);
  let open = 0; // whose drawer

  const drawCheck = (/** @type {CheckView} */ check) => {
    const row = copy(find("check"));
    light(cells(row).name, check.ok ? "good" : "bad", check.name);
    put(cells(row).sentence, check.sentence);
    return row;
  };
  const draw = (/** @type {PersonDetails} */ person) => {
    put(find("name"), person.site);
    light(find("status"), person.tone, person.status);
    show(find("status"), true);
    const facts = factsOf(person).flatMap(([word, text]) => [make("dt", "", word), make("dd", "", text)]);
    find("facts").replaceChildren(...facts);
    show(find("assign"), person.can.includes("approve"));
    partition.max = String(person.partitions.total - 1);
    partition.value = String(person.partitions.free ?? "");
    note.value = person.note;
    const { report } = person;
    const verdict = report && `${report.good ? "All good" : "Something is wrong"}, told ${moment(report.at)}.`;
    put(find("report"), verdict ?? "join.py has not told anything yet.");
    find("checks").replaceChildren(...(report?.checks ?? []).map(drawCheck));
    fillList(find("keys"), person.keys.map(drawKey), "No key was handed in yet.");
    fillList(find("history"), person.history.map(drawEntry), "Nothing is written down yet.");
  };
  const look = async (/** @type {number} */ id) => {
    const answer = await ask("person", { id });
    const person = answer?.error === undefined ? answer : null;
    show(find("body"), Boolean(person));
    if (person) return draw(person);
    put(find("name"), "Participant");
    show(find("status"), false);
    return say("bad", answer?.error ?? SILENT);
  };
  hear("person", async (/** @type {number} */ id) => {
    say("off", "");
    await look(id);
    open = id;
    if (!drawer.open) drawer.showModal();
  });
  watch("value", () => {
    say(props.value.tone, props.value.text);
    if (open) look(open);
    changed();
  });

  drawer.addEventListener("close", () => (open = 0));
  drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());
  find("close").addEventListener("click", () => drawer.close());
  find("assign").addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("decide", { what: "approve", ids: [open], partition: Number(partition.value) });
  });
  find("note-form").addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("note", { id: open, text: note.value });
  });
};
