// Leaving by oneself, before or after the approval; asked twice.
import { bind } from "../kit/bound.js";
import { put, show } from "../kit/dom.js";
import { onStanding, tell } from "../kit/talk.js";
import { SILENT } from "../kit/words.js";

const WORDS = {
  wait: ["Changed your mind?", "Withdraw my request", "Your request disappears from the admins’ list. You can ask again later, with a new code."],
  member: ["Your site can leave at any time.", "Leave the federation", "Your site is cut off at once and its key is never taken again. To come back you ask anew."],
};

export const mount = ({ element, server }) => {
  const { find, ask } = bind(element, server);
  const sure = (visible, focus = true) => {
    show(find("sure"), visible);
    show(find("withdraw"), !visible);
    if (focus) find(visible ? "no" : "withdraw").focus();
  };
  const wrong = (sentence) => {
    put(find("wrong"), sentence);
    show(find("wrong"), Boolean(sentence));
  };
  find("withdraw").addEventListener("click", () => sure(true));
  find("no").addEventListener("click", () => sure(false));
  find("sure").addEventListener("keydown", (event) => event.key === "Escape" && sure(false));
  find("yes").addEventListener("click", async () => {
    const answer = await ask("withdraw").catch(() => undefined);
    wrong(answer?.stage ? "" : (answer?.error ?? SILENT));
    if (!answer?.stage) return;
    sure(false, false);
    tell("moved", answer);
  });
  onStanding(({ stage, member }) => {
    show(find("leave"), stage.name === "wait" || Boolean(member));
    const [before, button, question] = member ? WORDS.member : WORDS.wait;
    put(find("before"), before);
    put(find("withdraw"), button);
    put(find("question"), question);
  });
};
