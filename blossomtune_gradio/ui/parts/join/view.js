// Asks where the visitor stands, draws steps and headline, and tells the parts below.
import { blossom } from "../kit/common.js";

export const mount = ({ element, server }) => {
  const {
    find, make, put, show, light, ask, poll, seconds, span, ago, moment, each,
  } = blossom(element, server);
  let last = null;
  let moving = false; // a move was made here: the focus follows to the new headline

  const MARKS = { done: "done", now: "you are here", todo: "not yet", ended: "ended" };
  const makeStep = () => {
    const node = make("li", "bt-step");
    const mark = make("span", "bt-step-mark");
    mark.setAttribute("aria-hidden", "true");
    node.append(mark, make("span", "bt-step-name"), make("span", "bt-unseen"));
    return node;
  };
  const stateOf = (index, stage) => {
    if (index < stage.step || stage.all_done) return "done";
    if (index > stage.step) return "todo";
    return stage.ended && stage.tone === "bad" ? "ended" : "now";
  };
  const fillStep = (stage) => (node, [name, index]) => {
    const state = stateOf(index, stage);
    node.dataset.state = state;
    if (index === stage.step) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
    put(node.children[0], state === "todo" || state === "now" ? String(index + 1) : "");
    put(node.children[1], name);
    put(node.children[2], `, ${MARKS[state]}`);
  };

  const makeFact = () => {
    const node = make("div");
    node.append(make("dt"), make("dd"));
    return node;
  };
  const fillFact = (node, [name, value]) => {
    put(node.firstChild, name);
    put(node.lastChild, value);
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

  const makeSignIn = () => {
    const node = make("li");
    node.append(make("a", "bt-button bt-primary"));
    return node;
  };
  // Browsers keep our cookie from a frame of another site: signing in needs a tab of its own.
  const inFrame = window.self !== window.top;
  const fillSignIn = (node, { label, href }) => {
    put(node.firstChild, inFrame ? "Open in a full tab to sign in" : label);
    node.firstChild.href = inFrame ? location.href : href;
    node.firstChild.target = inFrame ? "_blank" : "";
  };

  const draw = (state) => {
    const { stage, request, now } = state;
    each(find("steps"), state.steps.map((name, index) => [name, index]), ([name]) => name, makeStep, fillStep(stage));
    put(find("where"), stage.all_done ? `All ${state.steps.length} steps done` : `Step ${stage.step + 1} of ${state.steps.length}`);
    put(find("title"), stage.title);
    light(find("turn"), stage.tone, stage.turn);
    show(find("turn"), true);
    put(find("since"), request ? `since ${moment(request.since)} (${ago(request.since, now)})` : "");
    put(find("lead"), stage.lead);
    put(find("next"), stage.next);
    show(find("next-line"), Boolean(stage.next));
    each(find("facts"), factsOf(state), ([name]) => name, makeFact, fillFact);
    each(find("sign-in"), inFrame ? state.sign_in.slice(0, 1) : state.sign_in, ({ href }) => href, makeSignIn, fillSignIn);
    show(find("sign-in"), state.sign_in.length > 0);
  };
  const tell = () => {
    if (last) document.dispatchEvent(new CustomEvent("blossom:standing", { detail: last }));
  };
  const take = (state) => {
    if (last && state.at < last.at) return; // overtaken by the answer to a move
    const before = last?.stage.name;
    last = state;
    draw(state);
    tell();
    if (!before || before === state.stage.name) return;
    put(find("news"), `${state.stage.title}. ${state.stage.turn}. ${state.stage.lead}`);
    if (moving) find("title").focus();
    moving = false;
  };

  document.addEventListener("blossom:ask-standing", tell);
  document.addEventListener("blossom:moved", (event) => {
    moving = true;
    take(event.detail);
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
  document.addEventListener("blossom:changed", turn);
};
