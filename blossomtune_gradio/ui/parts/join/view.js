// Asks where the visitor stands, draws steps and headline, and tells the parts below.
import { bind } from "../kit/bound.js";
import { cells, each, light, put, show } from "../kit/dom.js";
import { hear, inFrame, tell } from "../kit/talk.js";
import { ago, moment, seconds, span } from "../kit/words.js";

const MARKS = { done: "done", now: "you are here", todo: "not yet", ended: "ended" };

const stateOf = (index, stage) => {
  if (index < stage.step || stage.all_done) return "done";
  if (index > stage.step) return "todo";
  return stage.ended && stage.tone === "bad" ? "ended" : "now";
};
const fillStep = (stage) => (row, [words, index]) => {
  const { mark, name, where } = cells(row);
  const state = stateOf(index, stage);
  row.dataset.state = state;
  if (index === stage.step) row.setAttribute("aria-current", "step");
  else row.removeAttribute("aria-current");
  put(mark, state === "todo" || state === "now" ? String(index + 1) : "");
  put(name, words);
  put(where, `, ${MARKS[state]}`);
};

const fillFact = (row, [words, what]) => {
  const { name, value } = cells(row);
  put(name, words);
  put(value, what);
};
const factsOf = ({ stage, request, member, now }) => {
  if (!request || stage.ended) return [];
  const facts = [["Site", request.site], ["E-mail", request.email]];
  if (request.organisation) facts.push(["Organisation", request.organisation]);
  if (!member) return facts;
  facts.push(["Data partition", `${member.partition} (of ${member.partitions}, counted from 0)`]);
  if (member.online_since) facts.push(["Online for", span(seconds(member.online_since, now))]);
  if (member.last_seen) facts.push(["Last seen", ago(member.last_seen, now)]);
  else if (stage.name !== "kit") facts.push(["Last seen", "never"]);
  return facts;
};

const fillSignIn = (row, { label, href }) => {
  const { link } = cells(row);
  put(link, inFrame ? "Open in a full tab to sign in" : label);
  link.href = inFrame ? location.href : href;
  link.target = inFrame ? "_blank" : "";
};

export const mount = ({ element, server }) => {
  const { find, ask, poll } = bind(element, server);
  let last = null;
  let moving = false; // a move was made here: the focus follows to the new headline

  const draw = (state) => {
    const { stage, request, now } = state;
    each(find("steps"), state.steps.map((name, index) => [name, index]), ([name]) => name, find("step"), fillStep(stage));
    put(find("where"), stage.all_done ? `All ${state.steps.length} steps done` : `Step ${stage.step + 1} of ${state.steps.length}`);
    put(find("title"), stage.title);
    light(find("turn"), stage.tone, stage.turn);
    show(find("turn"), true);
    put(find("since"), request ? `since ${moment(request.since)} (${ago(request.since, now)})` : "");
    put(find("lead"), stage.lead);
    put(find("next"), stage.next);
    show(find("next-line"), Boolean(stage.next));
    each(find("facts"), factsOf(state), ([name]) => name, find("fact"), fillFact);
    each(find("sign-in"), inFrame ? state.sign_in.slice(0, 1) : state.sign_in, ({ href }) => href, find("way"), fillSignIn);
    show(find("sign-in"), state.sign_in.length > 0);
  };
  const tellAll = () => {
    if (last) tell("standing", last);
  };
  const take = (state) => {
    if (last && state.at < last.at) return; // overtaken by the answer to a move
    const before = last?.stage.name;
    last = state;
    draw(state);
    tellAll();
    if (!before || before === state.stage.name) return;
    put(find("news"), `${state.stage.title}. ${state.stage.turn}. ${state.stage.lead}`);
    if (moving) find("title").focus();
    moving = false;
  };

  hear("ask-standing", tellAll);
  hear("moved", (standing) => {
    moving = true;
    take(standing);
    moving = false;
  });
  const turn = poll(async () => {
    const state = await ask("stand");
    const lost = !state && "The server does not answer. Nothing is lost; it is asked again until it does.";
    const trouble = state?.error ?? lost;
    put(find("trouble"), trouble || "");
    show(find("trouble"), Boolean(trouble));
    if (state?.stage) take(state);
  }, 2500);
  hear("changed", turn);
};
