// What is known of one participant, as pairs of a word and a text; what is empty is left out.
// @ts-check
import { bytes, counted, moment } from "../kit/words.js";

/** @import { PersonDetails } from "../types/rest.d.ts" */

/** @param {PersonDetails} person @returns {string[][]} */
export const factsOf = (person) =>
  [
    ["E-mail", person.email],
    ["Person", `${person.person || "?"} (${person.account})`],
    ["Organisation", person.organisation],
    ["Asked", moment(person.requested)],
    ["Last change", `${moment(person.changed)}${person.decided_by ? `, by ${person.decided_by}` : ""}`],
    ["Reason", person.reason],
    ["Partition", person.partition === null ? "" : String(person.partition)],
    ["Connection", [person.presence, person.last_seen && `seen ${moment(person.last_seen)}`].filter(Boolean).join(", ")],
    ["Work", person.received + person.sent ? workOf(person) : ""],
    ["Message", person.message],
    ["Their data", person.data],
  ].filter(([, text]) => text);

const workOf = (/** @type {PersonDetails} */ { rounds, received, sent }) =>
  `${counted(rounds, "round")}, ${bytes(received)} received, ${bytes(sent)} sent`;
