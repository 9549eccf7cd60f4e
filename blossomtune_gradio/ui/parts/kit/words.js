// Times and numbers as people write them here. Moments are ISO strings of the server, which also
// says what time it is (`now`): clocks of browsers are wrong.

export const SILENT = "The server did not answer. Try again in a moment.";

export const seconds = (from, to) => Math.max(0, Math.round((new Date(to) - new Date(from)) / 1000));

export const span = (count) => {
  if (count < 60) return `${count} s`;
  if (count < 3600) return `${Math.floor(count / 60)} min ${count % 60} s`;
  return `${Math.floor(count / 3600)} h ${Math.floor((count % 3600) / 60)} min`;
};

export const ago = (when, now) => {
  if (!when) return "";
  const count = seconds(when, now);
  if (count < 10) return "just now";
  if (count < 60) return `${Math.floor(count / 10) * 10} s ago`;
  if (count < 3600) return `${Math.floor(count / 60)} min ago`;
  if (count < 86400) return `${Math.floor(count / 3600)} h ago`;
  return day(when);
};

export const clock = (when) => (when ? new Date(when).toLocaleTimeString([], { hour12: false }) : "");

const DAY = { day: "numeric", month: "short" };
const MINUTE = { ...DAY, hour: "2-digit", minute: "2-digit", hour12: false };
const written = (when, how) => {
  if (!when) return "–";
  const date = new Date(when);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return date.toLocaleString([], { ...how, ...year });
};

/** Date and time: "25 Nov, 08:20"; `exactly` has the seconds too, `day` the date alone. */
export const moment = (when) => written(when, MINUTE);
export const exactly = (when) => written(when, { ...MINUTE, second: "2-digit" });
export const day = (when) => written(when, { ...DAY, year: "numeric" });

/** "1.4 MB" */
export const bytes = (count) => {
  if (count < 1000) return `${count} B`;
  const steps = ["kB", "MB", "GB", "TB"];
  let step = -1;
  let value = count;
  do { value /= 1000; step += 1; } while (value >= 1000 && step < steps.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${steps[step]}`;
};

/** "3 rounds" */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
