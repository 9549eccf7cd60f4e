// Times and numbers as people write them here. Moments are ISO strings of the server, which also
// says what time it is (`now`): clocks of browsers are wrong.
// @ts-check

/** @typedef {string | Date} When */

export const SILENT = "The server did not answer. Try again in a moment.";

/** @param {When} from @param {When} to */
export const seconds = (from, to) => Math.max(0, Math.round((new Date(to).getTime() - new Date(from).getTime()) / 1000));

/** @param {number} count seconds */
export const span = (count) => {
  if (count < 60) return `${count} s`;
  if (count < 3600) return `${Math.floor(count / 60)} min ${count % 60} s`;
  return `${Math.floor(count / 3600)} h ${Math.floor((count % 3600) / 60)} min`;
};

/** @param {When | null | undefined} when @param {When} now */
export const ago = (when, now) => {
  if (!when) return "";
  const count = seconds(when, now);
  if (count < 10) return "just now";
  if (count < 60) return `${Math.floor(count / 10) * 10} s ago`;
  if (count < 3600) return `${Math.floor(count / 60)} min ago`;
  if (count < 86400) return `${Math.floor(count / 3600)} h ago`;
  return day(when);
};

/** @param {When | null | undefined} when */
export const clock = (when) => (when ? new Date(when).toLocaleTimeString([], { hour12: false }) : "");

/** @type {Intl.DateTimeFormatOptions} */
const DAY = { day: "numeric", month: "short" };
/** @type {Intl.DateTimeFormatOptions} */
const MINUTE = { ...DAY, hour: "2-digit", minute: "2-digit", hour12: false };
/** @param {When | null | undefined} when @param {Intl.DateTimeFormatOptions} how */
const written = (when, how) => {
  if (!when) return "–";
  const date = new Date(when);
  /** @type {Intl.DateTimeFormatOptions} */
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return date.toLocaleString([], { ...how, ...year });
};

/** Date and time: "25 Nov, 08:20"; `exactly` has the seconds too, `day` the date alone. @param {When | null | undefined} when */
export const moment = (when) => written(when, MINUTE);
/** @param {When | null | undefined} when */
export const exactly = (when) => written(when, { ...MINUTE, second: "2-digit" });
/** @param {When | null | undefined} when */
export const day = (when) => written(when, { ...DAY, year: "numeric" });

/** "1.4 MB" @param {number} count */
export const bytes = (count) => {
  if (count < 1000) return `${count} B`;
  const steps = ["kB", "MB", "GB", "TB"];
  let step = -1;
  let value = count;
  do { value /= 1000; step += 1; } while (value >= 1000 && step < steps.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${steps[step]}`;
};

/** "3 rounds" @param {number} count @param {string} one */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
