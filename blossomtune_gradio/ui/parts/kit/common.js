// The way that parts which are not converted yet reach the kit; it goes with the last of them.
import * as dom from "./dom.js";
import * as talk from "./talk.js";
import * as words from "./words.js";
import { bind } from "./bound.js";
import { drawWait } from "./wait.js";

// A row of a table; the labels stand before the cells on a narrow screen.
const rowOf = (labels) => {
  const row = dom.make("tr");
  for (const label of labels) {
    const cell = dom.make("td");
    if (label) cell.dataset.label = label;
    row.append(cell);
  }
  return row;
};

export const blossom = (element, server) => ({ ...dom, ...talk, ...words, ...bind(element, server), drawWait, rowOf });
