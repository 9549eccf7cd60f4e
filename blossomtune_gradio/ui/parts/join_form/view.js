// The visitor's moves: ask, confirm, a new code, withdraw. What was typed stays until it was taken.
import { bind } from "../kit/bound.js";
import { put, show } from "../kit/dom.js";
import { changed, onStanding, tell } from "../kit/talk.js";
import { moment } from "../kit/words.js";

const NO_ANSWER = "The server did not answer. What you typed is still here; try again in a moment.";
const DONE = { resend: "There is a new code. The code before does not work any more." };

export const mount = ({ element, server }) => {
  const { find, ask, say } = bind(element, server);
  const [askForm, prove] = [find("ask"), find("prove")];
  let state = null;
  let clockSkew = 0; // milliseconds the server's clock is ahead of ours
  let again = false; // the form is open although the server calls the request ended
  let filled = false;

  const blame = (form, name, sentence) => {
    const lines = [...form.querySelectorAll("[data-wrong]")];
    const line = lines.find((one) => one.dataset.wrong === name) ?? lines.find((one) => !one.dataset.wrong);
    for (const one of lines) {
      put(one, one === line ? sentence : "");
      show(one, one === line && Boolean(sentence));
    }
    for (const input of form.elements) {
      const wrong = Boolean(sentence) && input.name !== "" && input.name === line.dataset.wrong;
      if (wrong) {
        input.setAttribute("aria-invalid", "true");
        input.focus();
      } else if (input.name) input.removeAttribute("aria-invalid");
    }
  };

  // One move at a time. True when it was made; else the sentence stands where it belongs.
  let busy = false;
  const move = async (name, asked, form = null) => {
    if (busy) return false;
    busy = true;
    element.setAttribute("aria-busy", "true");
    say("good", "");
    let answer;
    try {
      answer = await ask(name, asked);
    } catch {
      answer = undefined;
    }
    busy = false;
    element.removeAttribute("aria-busy");
    if (answer?.stage) {
      if (form) blame(form, "", "");
      again = false;
      tell("moved", answer);
      if (DONE[name]) say("good", DONE[name]);
      return true;
    }
    const sentence = answer?.error ?? NO_ANSWER;
    if (form) blame(form, answer?.field ?? "", sentence);
    else say("bad", sentence);
    changed(); // the state may have moved on elsewhere
    return false;
  };

  const typed = (form) => Object.fromEntries(new FormData(form));
  const fillOnce = () => {
    if (filled) return;
    filled = true;
    for (const [name, value] of Object.entries(state.suggest)) {
      const field = askForm.elements.namedItem(name);
      if (field && !field.value) field.value = value;
    }
  };
  const submit = (form, name, after) =>
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("[type=submit]");
      button.dataset.busy = "true";
      if (await move(name, typed(form), form)) after();
      delete button.dataset.busy;
    });
  submit(askForm, "ask", () => {
    filled = false;
  });
  submit(prove, "confirm", () => prove.reset());

  const waitWords = () => {
    const code = state?.code;
    if (!code) return;
    const now = Date.now() + clockSkew;
    const wait = Math.ceil((new Date(code.again) - now) / 1000);
    const left = Math.floor((new Date(code.expires) - now) / 1000);
    const button = find("resend");
    button.setAttribute("aria-disabled", String(wait > 0));
    put(find("resend-wait"), wait > 0 ? `A new code can be sent in ${Math.floor(wait / 60)}:${String(wait % 60).padStart(2, "0")}.` : "");
    const sent = state.code.in_outbox ? `It is for ${state.request.email}.` : `It went to ${state.request.email}.`;
    put(
      find("code-hint"),
      left > 0 ? `${sent} It works for ${left < 60 ? "less than a minute" : `${Math.ceil(left / 60)} min`} more; blanks, dashes and small letters do not matter.` : `${sent} Its time is up: send a new one.`,
    );
  };
  const ticking = setInterval(() => (element.isConnected ? waitWords() : clearInterval(ticking)), 1000);

  find("resend").addEventListener("click", async () => {
    if (find("resend").getAttribute("aria-disabled") === "true") return;
    blame(prove, "", "");
    if (await move("resend", {})) prove.elements.code.focus();
  });
  find("change").addEventListener("click", async () => {
    if (!(await move("withdraw", {}))) return;
    open(askForm.elements.email);
  });
  const open = (field) => {
    again = true;
    draw();
    field.focus();
  };
  find("again").addEventListener("click", () => open(askForm.elements.site));

  const goneWords = ({ name }, { reason, decided_by, since }) => {
    if (name === "withdrawn") return `Withdrawn ${moment(since)}.`;
    const verb = name === "denied" ? "Denied" : "Revoked";
    const who = decided_by ? ` by ${decided_by}` : "";
    return `${verb}${who}, ${moment(since)}. ${reason ? `Reason: ${reason}` : "No reason was given."}`;
  };
  const draw = () => {
    const { stage, request } = state;
    const asking = stage.name === "ask" || (stage.ended && again);
    show(askForm, asking);
    show(prove, stage.name === "prove");
    show(find("gone"), stage.ended && !again);
    if (asking) fillOnce();
    show(find("outbox"), Boolean(state.code?.in_outbox));
    show(find("no-mail"), !state.code?.in_outbox);
    if (stage.ended) {
      find("reason").dataset.tone = stage.tone;
      put(find("reason"), goneWords(stage, request));
    }
    waitWords();
  };
  onStanding((news) => {
    const before = state?.stage.name;
    state = news;
    clockSkew = new Date(news.now) - Date.now();
    if (before && before !== news.stage.name && !["withdrawn", "ask"].includes(news.stage.name)) again = false;
    draw();
  });
};
