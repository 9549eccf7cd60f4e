// One participant in full, in a drawer beside the table: facts, note, preflight, keys, history.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, make, put, show, light, ask, say, SILENT, changed, moment, bytes, counted } = blossom(element, server);
  let open = 0; // whose drawer

  const fact = (list, name, value) => {
    if (!value) return;
    list.append(make("dt", "", name), make("dd", "", value));
  };
  const item = (...texts) => {
    const node = make("li");
    texts.filter(Boolean).forEach((text, index) => node.append(make("span", index ? "bt-quiet bt-under" : "", text)));
    return node;
  };
  const drawPerson = (person) => {
    put(find("name"), person.site);
    light(find("status"), person.tone, person.status);
    show(find("status"), true);
    const facts = make("dl");
    fact(facts, "E-mail", person.email);
    fact(facts, "Person", `${person.person || "?"} (${person.account})`);
    fact(facts, "Organisation", person.organisation);
    fact(facts, "Asked", moment(person.requested));
    fact(facts, "Last change", `${moment(person.changed)}${person.decided_by ? `, by ${person.decided_by}` : ""}`);
    fact(facts, "Reason", person.reason);
    fact(facts, "Partition", person.partition === null ? "" : String(person.partition));
    fact(facts, "Connection", [person.presence, person.last_seen && `seen ${moment(person.last_seen)}`].filter(Boolean).join(", "));
    fact(facts, "Work", person.received + person.sent ? `${counted(person.rounds, "round")}, ${bytes(person.received)} received, ${bytes(person.sent)} sent` : "");
    fact(facts, "Message", person.message);
    fact(facts, "Their data", person.data);
    find("facts").replaceChildren(...facts.children);
    show(find("assign"), person.can.includes("approve"));
    find("partition").max = person.partitions.total - 1;
    find("partition").value = person.partitions.free ?? "";
    find("note").value = person.note;
    const report = person.report;
    const checks = make("ul", "bt-list");
    if (report) checks.append(...report.checks.map((check) => {
      const node = make("li");
      const lamp = make("span", "bt-lamp");
      light(lamp, check.ok ? "good" : "bad", check.name);
      node.append(lamp, make("span", "bt-quiet bt-under", check.sentence));
      return node;
    }));
    find("report").replaceChildren(make("p", "bt-quiet", report ? `${report.good ? "All good" : "Something is wrong"}, told ${moment(report.at)}.` : "join.py has not told anything yet."), checks);
    find("keys").replaceChildren(...person.keys.map((key) => item(key.fingerprint, `handed in ${moment(key.added)}${key.retired ? `, retired ${moment(key.retired)}` : ""}`, key.node && `node ${key.node}`)));
    if (!person.keys.length) find("keys").append(item("No key was handed in yet."));
    find("history").replaceChildren(...person.history.map((entry) => item(`${entry.who} ${entry.what}`, [moment(entry.at), entry.detail, entry.address && `from ${entry.address}`].filter(Boolean).join("  ·  "))));
    if (!person.history.length) find("history").append(item("Nothing is written down yet."));
  };
  const look = async (id) => {
    const person = (await ask("person", { id })) ?? { error: SILENT };
    show(find("body"), !person.error);
    if (!person.error) return drawPerson(person);
    put(find("name"), "Participant");
    show(find("status"), false);
    say("bad", person.error);
  };
  document.addEventListener("blossom:person", async ({ detail: id }) => {
    say("off", "");
    await look(id);
    open = id;
    if (!find("drawer").open) find("drawer").showModal();
  });
  watch("value", () => {
    say(props.value.tone, props.value.text);
    if (open) look(open);
    changed();
  });

  find("drawer").addEventListener("close", () => (open = 0));
  find("drawer").addEventListener("click", (event) => event.target === find("drawer") && find("drawer").close());
  find("close").addEventListener("click", () => find("drawer").close());
  find("assign").addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("decide", { what: "approve", ids: [open], partition: Number(find("partition").value) });
  });
  find("note-form").addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("note", { id: open, text: find("note").value });
  });
};
