// Starts and stops the SuperLink; a stop that costs something is asked first.
import { bind } from "../kit/bound.js";
import { light, put } from "../kit/dom.js";
import { changed, onPulse } from "../kit/talk.js";
import { clock } from "../kit/words.js";

const DOWN = ["stopped", "exited", "failed"];

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find, ask, askFirst, say } = bind(element, server);
  const [start, stop] = [find("start"), find("stop")];
  let working = false;
  let up = null; // null: not known yet

  const draw = () => {
    start.disabled = working || up !== false;
    stop.disabled = working || up !== true;
  };
  const act = (what, button, word) => () => {
    working = true;
    put(button, word);
    draw();
    trigger(what);
  };
  start.addEventListener("click", act("start", start, "Starting…"));
  const halt = act("stop", stop, "Stopping…");
  stop.addEventListener("click", async () => {
    const answer = await ask("stakes");
    if (!answer?.text) return halt(); // nothing is lost, or the stop itself will say what is wrong
    askFirst(stop, answer.text, "Stop it", halt);
  });

  watch("value", () => {
    working = false;
    put(start, "Start");
    put(stop, "Stop");
    const { tone, text } = props.value;
    say(tone, text);
    draw();
    changed();
  });
  onPulse(({ lamps, entrance }) => {
    put(find("entrance"), entrance);
    const [superlink, executor] = lamps;
    const words = superlink.tone === "good" && executor.tone !== "good" ? `${superlink.state}, executor ${executor.state}` : superlink.state;
    light(find("state"), superlink.tone === "good" ? executor.tone : superlink.tone, words);
    find("state").title = superlink.since ? `since ${clock(superlink.since)}` : "";
    up = !DOWN.includes(superlink.state);
    draw();
  });
};
