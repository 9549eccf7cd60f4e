// What parts tell each other, as events of the document, and what the address of the page says.
//
// pulse        how things stand; the header asks the server and tells it
// listening    somebody new wants the last pulse
// changed      something was done here: who shows it need not wait for the next turn
// admitted     the role of the visitor is another now
// title        what the tab is called; "" leaves it to the header again
// standing     where the visitor of the Join page stands; ask-standing asks for the last one,
//              moved brings a newer one, as the answer to a move
// address      the query of the address is another now
// run          the run that is shown in full
// person       open this participant
// apps         which apps there are, and which of them were mended
// deploy       fill the form with this app or run
// @ts-check

/** @param {string} what @param {unknown} [detail] */
export const tell = (what, detail) => document.dispatchEvent(new CustomEvent(`blossom:${what}`, { detail }));
/** @param {string} what @param {(detail: any) => unknown} listener */
export const hear = (what, listener) =>
  document.addEventListener(`blossom:${what}`, (event) => listener(/** @type {CustomEvent} */ (event).detail));

export const changed = () => tell("changed");
/** @param {string} text */
export const title = (text) => tell("title", text);

/** @param {(state: any) => unknown} listener */
export const onPulse = (listener) => {
  hear("pulse", listener);
  tell("listening");
};
/** @param {(standing: any) => unknown} listener */
export const onStanding = (listener) => {
  hear("standing", listener);
  tell("ask-standing");
};

/** A whole number in the address, or 0: `?run=ID`, with `&line=OFFSET` of a log line. @param {string} name */
export const inAddress = (name) => Number(new URLSearchParams(location.search).get(name)) || 0;

/** @param {string} query */
export const goTo = (query) => {
  history.pushState(null, "", location.pathname + (query ? `?${query}` : "")); // there is a <base>
  tell("address");
};
/** @param {() => unknown} listener */
export const onAddress = (listener) => {
  hear("address", listener);
  window.addEventListener("popstate", listener);
  listener();
};

/**
 * Makes a link lead to the Runs page; on that page nothing is loaded anew.
 * @param {HTMLAnchorElement} link @param {string} query
 */
export const lead = (link, query) => {
  link.href = `runs?${query}`;
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || !location.pathname.endsWith("/runs")) return;
    event.preventDefault();
    goTo(query);
  });
  return link;
};
/** @param {string} text @param {string} query */
export const linkTo = (text, query, className = "bt-link") =>
  lead(Object.assign(document.createElement("a"), { className, textContent: text }), query);

// Browsers keep our cookie from a frame of another site: signing in needs a tab of its own.
export const inFrame = window.self !== window.top;
