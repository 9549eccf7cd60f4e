// The newest mails, how the mail server does, and what an admin may send once more.
// @ts-check
import { bind } from "../kit/bound.js";
import { cells, copy, each, light, put, show } from "../kit/dom.js";
import { ago, clock } from "../kit/words.js";

/** @import { Answer, Given, Said, Tone } from "../types/part.d.ts" */
/** @import { MailRow } from "../types/rest.d.ts" */
/**
 * @typedef {object} Mails
 * @property {MailRow[]} rows
 * @property {string} sentence how the mail server does
 * @property {Tone} tone
 * @property {boolean} can_try
 * @property {boolean} delivers there is a mail server
 * @property {boolean} readable what mails say is sent along
 * @property {string} now
 */
/** @typedef {{ mails: (asked: object) => Promise<Answer<Mails>> }} Server */

/** @type {Record<string, Tone>} */
const TONES = { sent: "good", queued: "busy", sending: "busy", failed: "bad", unknown: "bad", dropped: "off" };
/** @type {Record<string, string>} */
const WORDS = { queued: "waiting", sending: "on its way", failed: "refused", unknown: "unknown whether it arrived" };

const wordOf = (/** @type {MailRow} */ mail) => {
  if (mail.status === "dropped") return mail.error || "not sent";
  return mail.status === "failed" && mail.next_try ? "trying again" : (WORDS[mail.status] ?? mail.status);
};
// Without a mail server waiting is no trouble.
const toneOf = (/** @type {MailRow} */ mail, /** @type {boolean} */ delivers) =>
  mail.status === "queued" && !delivers ? "off" : (TONES[mail.status] ?? "off");

/** @param {Mails} answer @returns {(row: HTMLElement, mail: MailRow) => void} */
const fill = ({ delivers, now }) => (row, mail) => {
  const { subject, state, facts, error, body, resend } = cells(row);
  put(subject, mail.subject);
  light(state, toneOf(mail, delivers), wordOf(mail));
  const tries = mail.tries > 1 ? `${mail.tries} tries` : "";
  const next = mail.next_try ? `next try ${clock(mail.next_try)}` : "";
  const when = mail.sent ? `sent ${ago(mail.sent, now)}` : `written ${ago(mail.created, now)}`;
  put(facts, [`to ${mail.recipient}`, when, tries, next].filter(Boolean).join("  ·  "));
  put(error, mail.error);
  show(error, Boolean(mail.error) && mail.status !== "dropped");
  /** @type {HTMLButtonElement} */ (resend).disabled = false;
  resend.setAttribute("aria-label", `Send again to ${mail.recipient}`);
  show(resend, mail.status === "unknown");
  put(body, mail.body);
  show(body, Boolean(mail.body));
};

/** @param {Given<Server, Said>} given */
export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, poll, say } = bind(element, server);
  const again = find("again", HTMLButtonElement);

  const create = (/** @type {MailRow} */ mail) => {
    const row = copy(find("mail"));
    const resend = /** @type {HTMLButtonElement} */ (cells(row).resend);
    resend.addEventListener("click", () => {
      resend.disabled = true;
      trigger("send_again", { id: mail.id });
    });
    return row;
  };
  const turn = poll(async () => {
    const answer = await ask("mails");
    if (!answer?.rows) return;
    light(find("state"), answer.tone, answer.sentence);
    show(again, answer.can_try);
    show(find("secret"), !answer.readable);
    show(find("empty"), answer.rows.length === 0);
    show(find("mails"), answer.rows.length > 0);
    each(find("mails"), answer.rows, (mail) => mail.id, create, fill(answer));
  }, 4000);
  again.addEventListener("click", () => {
    again.disabled = true;
    trigger("again");
  });
  watch("value", () => {
    again.disabled = false;
    say(props.value.tone, props.value.text);
    turn();
  });
};
