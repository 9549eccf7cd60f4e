const { find, make, put, show, light, ask, poll, ago, clock, each, say } = blossom(element, server);
const TONES = { sent: "good", queued: "busy", failed: "bad", dropped: "off" };
const WORDS = { queued: "waiting", failed: "refused", dropped: "replaced by a newer code" };
const again = find("again");
let waits = true; // no mail server: waiting is no trouble

const create = () => {
  const node = make("li");
  const top = make("p", "bt-mail-top");
  top.append(make("strong"), make("span", "bt-lamp"));
  node.append(top, make("p", "bt-quiet"), make("p", "bt-quiet bt-mail-error"), make("p", "bt-mail-body"));
  return node;
};
const fill = (now) => (node, mail) => {
  const [top, facts, error, body] = node.children;
  put(top.firstChild, mail.subject);
  const tried = mail.status === "failed" && mail.next_try ? "trying again" : (WORDS[mail.status] ?? mail.status);
  light(top.lastChild, waits && mail.status === "queued" ? "off" : TONES[mail.status], tried);
  const tries = mail.tries > 1 ? `${mail.tries} tries` : "";
  const next = mail.next_try ? `next try ${clock(mail.next_try)}` : "";
  const when = mail.sent ? `sent ${ago(mail.sent, now)}` : `written ${ago(mail.created, now)}`;
  put(facts, [`to ${mail.recipient}`, when, tries, next].filter(Boolean).join("  ·  "));
  put(error, mail.error);
  show(error, Boolean(mail.error));
  put(body, mail.body);
  show(body, Boolean(mail.body));
};
const turn = poll(async () => {
  const answer = await ask("mails");
  if (!answer?.rows) return;
  waits = !answer.delivers;
  light(find("state"), answer.tone, answer.sentence);
  show(again, answer.can_try);
  show(find("secret"), !answer.readable);
  show(find("empty"), answer.rows.length === 0);
  show(find("mails"), answer.rows.length > 0);
  each(find("mails"), answer.rows, (mail) => mail.id, create, fill(answer.now));
}, 4000);
again.addEventListener("click", () => {
  again.disabled = true;
  trigger("again");
});
watch("value", () => {
  again.disabled = false;
  const { tone, text } = props.value;
  say(tone, text);
  turn();
});
