// What all parts of the page share, bound to the element and the server functions of one of them.
export const blossom = (element, server) => {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);

  const make = (tag, className = "", text = "") => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text) node.textContent = text;
    return node;
  };

  // Touch the page only where something changed: no flicker, selections stay.
  const put = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  const show = (node, visible) => {
    if (node.hidden === visible) node.hidden = !visible;
  };

  // A lamp is a shape and a word, never a colour alone.
  const light = (node, tone, word) => {
    if (node.dataset.tone !== tone) node.dataset.tone = tone;
    put(node, word);
  };

  // The server's answer, or undefined when there was none (within 20 s).
  let answered = true;
  const ask = async (name, asked = {}) => {
    const late = new Promise((done) => setTimeout(done, 20000));
    const answer = await Promise.race([server[name](asked), late]);
    answered = answer !== undefined;
    return answer;
  };

  // A part for a higher role is hidden, and asks nothing.
  const admitted = () => {
    const gate = element.closest("[class*='bt-for-']");
    return !gate || gate.getClientRects().length > 0;
  };

  // Do `work` every `pause` milliseconds, but not in a hidden tab and never twice at once; a server
  // that is away is asked more seldom.
  const poll = (work, pause) => {
    let timer = 0;
    let busy = false;
    const turn = async () => {
      if (busy || !element.isConnected) return;
      clearTimeout(timer);
      busy = true;
      try {
        if (!document.hidden && admitted()) await work();
      } finally {
        busy = false;
        timer = setTimeout(turn, answered ? pause : 3000 + pause);
      }
    };
    document.addEventListener("visibilitychange", turn);
    document.addEventListener("blossom:admitted", turn);
    turn();
    return turn;
  };

  // The header asks how things stand and tells every part that listens.
  const onPulse = (hear) => {
    document.addEventListener("blossom:pulse", (event) => hear(event.detail));
    document.dispatchEvent(new CustomEvent("blossom:listening"));
  };

  // The Join page's own: where the visitor stands, told by the part that asks for it.
  const onStanding = (hear) => {
    document.addEventListener("blossom:standing", (event) => hear(event.detail));
    document.dispatchEvent(new CustomEvent("blossom:ask-standing"));
  };

  // Something was done here: who shows it need not wait for the next turn.
  const changed = () => document.dispatchEvent(new CustomEvent("blossom:changed"));

  const seconds = (from, to) => Math.max(0, Math.round((new Date(to) - new Date(from)) / 1000));
  const span = (count) => {
    if (count < 60) return `${count} s`;
    if (count < 3600) return `${Math.floor(count / 60)} min ${count % 60} s`;
    return `${Math.floor(count / 3600)} h ${Math.floor((count % 3600) / 60)} min`;
  };
  const ago = (moment, now) => {
    if (!moment) return "";
    const count = seconds(moment, now);
    if (count < 10) return "just now";
    if (count < 60) return `${Math.floor(count / 10) * 10} s ago`;
    if (count < 3600) return `${Math.floor(count / 60)} min ago`;
    if (count < 86400) return `${Math.floor(count / 3600)} h ago`;
    return day(moment);
  };
  const clock = (moment) => (moment ? new Date(moment).toLocaleTimeString([], { hour12: false }) : "");

  // Date and time as people write them here: "25 Nov, 08:20"; `exactly` has the seconds too.
  const DAY = { day: "numeric", month: "short" };
  const MINUTE = { ...DAY, hour: "2-digit", minute: "2-digit", hour12: false };
  const written = (when, how) => {
    if (!when) return "–";
    const date = new Date(when);
    const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
    return date.toLocaleString([], { ...how, ...year });
  };
  const moment = (when) => written(when, MINUTE);
  const exactly = (when) => written(when, { ...MINUTE, second: "2-digit" });
  const day = (when) => written(when, { ...DAY, year: "numeric" });

  // "1.4 MB", "3 rounds".
  const bytes = (count) => {
    if (count < 1000) return `${count} B`;
    const steps = ["kB", "MB", "GB", "TB"];
    let step = -1;
    let value = count;
    do { value /= 1000; step += 1; } while (value >= 1000 && step < steps.length - 1);
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${steps[step]}`;
  };
  const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

  // One child of `parent` per item, found again by its key; `fill` updates it.
  const each = (parent, items, key, create, fill) => {
    const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
    items.forEach((item, index) => {
      const name = String(key(item));
      const node = old.get(name) ?? create(item);
      node.dataset.key = name;
      old.delete(name);
      fill(node, item);
      if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
    });
    old.forEach((node) => node.remove());
  };

  // What the tab is called; "" leaves it to the header again.
  const title = (text) => document.dispatchEvent(new CustomEvent("blossom:title", { detail: text }));

  // The Runs page shows one run when its address names one: ?run=ID, with &line=OFFSET of a log line.
  const inAddress = (name) => Number(new URLSearchParams(location.search).get(name)) || 0;
  const goTo = (query) => {
    history.pushState(null, "", location.pathname + (query ? `?${query}` : "")); // there is a <base>
    document.dispatchEvent(new CustomEvent("blossom:address"));
  };
  const onAddress = (hear) => {
    document.addEventListener("blossom:address", hear);
    window.addEventListener("popstate", hear);
    hear();
  };
  const linkTo = (text, query, className = "bt-link") => {
    const link = make("a", className, text);
    link.href = `runs?${query}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !location.pathname.endsWith("/runs")) return;
      event.preventDefault();
      goTo(query);
    });
    return link;
  };
  const actionButton = (text, onClick, look = "") => {
    const made = make("button", `bt-button bt-small ${look}`, text);
    made.type = "button";
    made.addEventListener("click", onClick);
    return made;
  };
  const SILENT = "The server did not answer. Try again in a moment.";

  // What came of a click, in the part's own callout; no text hides it.
  const say = (tone, text) => {
    find("said").dataset.tone = tone;
    put(find("said"), text);
    show(find("said"), Boolean(text));
  };
  const sayAnswer = (answer) => say(answer?.text ? "good" : "bad", answer?.error ?? answer?.text ?? SILENT);

  // What cannot be taken back is asked first, in the place of the button that was pressed. Hidden
  // by an attribute of its own, as the part that draws the button decides on `hidden`.
  const askFirst = (button, question, yes, act) => {
    if (button.nextElementSibling?.matches(".bt-confirm")) return;
    const box = make("span", "bt-confirm");
    box.setAttribute("role", "group");
    const no = actionButton("Not now", () => {
      takeBack();
      button.focus();
    });
    const sure = actionButton(yes, () => {
      takeBack();
      act();
    }, "bt-danger");
    sure.id = `${button.id}-yes`;
    box.append(make("span", "", question), sure, no);
    box.addEventListener("keydown", (event) => event.key === "Escape" && no.click());
    button.dataset.asking = "";
    button.after(box);
    no.focus();
  };
  const takeBack = () => {
    for (const box of element.querySelectorAll(".bt-confirm")) {
      delete box.previousElementSibling.dataset.asking;
      box.remove();
    }
  };

  // A row of a table; the labels stand before the cells on a narrow screen.
  const rowOf = (labels) => {
    const row = make("tr");
    for (const label of labels) {
      const cell = make("td");
      if (label) cell.dataset.label = label;
      row.append(cell);
    }
    return row;
  };

  // Only a page from https or this machine may write to the clipboard; else the text is selected.
  const copyText = async (button, node) => {
    try {
      await navigator.clipboard.writeText(node.textContent);
      put(button, "Copied");
    } catch {
      getSelection().selectAllChildren(node);
      put(button, "Selected");
    }
    setTimeout(() => put(button, "Copy"), 2500);
  };

  // The card of what a run waits for: sentence, sites with when they were last seen, deadline. A
  // wait that is no wonder needs none: it stands in a line that is there anyway, so nothing jumps.
  const drawWait = (box, wait, now) => {
    show(box, Boolean(wait?.late));
    if (!wait?.late) return box.replaceChildren();
    if (!box.firstChild) box.append(make("p", "bt-callout"), make("ul", "bt-absent"), make("p", "bt-quiet"));
    const [sentence, sites, deadline] = box.children;
    box.dataset.code = wait.code;
    sentence.dataset.tone = wait.code === "slot" ? "off" : "busy";
    put(sentence, wait.short || wait.sentence);
    each(sites, wait.sites, (site) => site.name, () => {
      const row = make("li");
      row.append(make("strong"), make("span", "bt-lamp"), make("span", "bt-quiet"));
      return row;
    }, (row, site) => {
      put(row.children[0], site.name);
      light(row.children[1], wait.code === "answers" ? "busy" : "bad", site.failed ? `${site.what}, its check failed: ${site.failed}` : site.what);
      const word = wait.code === "answers" ? "asked" : "last seen";
      put(row.children[2], site.seen ? `${word} ${ago(site.seen, now)}` : "");
    });
    const left = wait.deadline ? Math.round((new Date(wait.deadline) - new Date(now)) / 1000) : 0;
    put(deadline, wait.deadline ? (left > 0 ? `In ${span(left)} ${wait.then}.` : `The deadline is over: ${wait.then}.`) : "");
    show(deadline, Boolean(wait.deadline));
  };

  return {
    find, make, put, show, light, ask, poll, onPulse, onStanding, changed, seconds, span,
    ago, clock, moment, exactly, day, bytes, counted, each, inAddress, goTo, onAddress, title, linkTo, actionButton,
    SILENT, say, sayAnswer, askFirst, takeBack, rowOf, copyText, drawWait,
  };
};
