import { blossom } from "../kit/common.js";

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, make, put, show, light, ask, poll, ago, clock, each, say } = blossom(element, server);
  const TONES = { sent: "good", queued: "busy", sending: "busy", failed: "bad", unknown: "bad", dropped: "off" };
  const WORDS = { queued: "waiting", sending: "on its way", failed: "refused", unknown: "unknown whether it arrived" };
  const again = find("again");
  let waits = true; // no mail server: waiting is no trouble

  const create = () => {
    const node = make("li");
    const top = make("p", "bt-mail-top");
    top.append(make("strong"), make("span", "bt-lamp"));
    const once_more = make("button", "bt-button bt-small bt-mail-again");
    once_more.type = "button";
    put(once_more, "Send again");
    once_more.addEventListener("click", () => {
      once_more.disabled = true;
      trigger("send_again", { id: once_more.mail });
    });
    node.append(top, make("p", "bt-quiet"), make("p", "bt-quiet bt-mail-error"), make("p", "bt-mail-body"), once_more);
    return node;
  };
  const fill = (now) => (node, mail) => {
    const [top, facts, error, body, once_more] = node.children;
    put(top.firstChild, mail.subject);
    const known = mail.status === "dropped" ? mail.error || "not sent" : (WORDS[mail.status] ?? mail.status);
    const tried = mail.status === "failed" && mail.next_try ? "trying again" : known;
    light(top.lastChild, waits && mail.status === "queued" ? "off" : TONES[mail.status], tried);
    const tries = mail.tries > 1 ? `${mail.tries} tries` : "";
    const next = mail.next_try ? `next try ${clock(mail.next_try)}` : "";
    const when = mail.sent ? `sent ${ago(mail.sent, now)}` : `written ${ago(mail.created, now)}`;
    put(facts, [`to ${mail.recipient}`, when, tries, next].filter(Boolean).join("  ·  "));
    put(error, mail.error);
    show(error, Boolean(mail.error) && mail.status !== "dropped");
    once_more.mail = mail.id;
    once_more.disabled = false;
    once_more.setAttribute("aria-label", `Send again to ${mail.recipient}`);
    show(once_more, mail.status === "unknown");
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
};
