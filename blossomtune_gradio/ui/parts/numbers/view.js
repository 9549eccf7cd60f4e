// The twin of the charts, for those who cannot see them or want the figures. It also knows when
// there is more to draw, and asks for charts and numbers together.
import { bind } from "../kit/bound.js";
import { each, make, put, show } from "../kit/dom.js";
import { hear, onPulse } from "../kit/talk.js";
import { seconds } from "../kit/words.js";

const PATIENCE = 10; // seconds for an answer, then it is asked again

export const mount = ({ element, server, props, trigger, watch }) => {
  const { find } = bind(element, server);
  let asked = null;

  const draw = () => {
    const { columns = [], rows = [], legend = [] } = props.value ?? {};
    each(find("legend"), legend, ([name]) => name, () => make("li"), (node, [name, colour]) => {
      put(node, name);
      node.style.setProperty("--line", colour);
    });
    find("head").replaceChildren(...columns.map((name) => Object.assign(make("th", "", name), { scope: "col" })));
    find("body").replaceChildren(
      ...rows.map((row) => {
        const line = make("tr");
        line.append(...row.map((cell) => make("td", "", cell)));
        return line;
      }),
    );
    show(find("more"), rows.length > 0);
    put(find("empty"), rows.length ? "No loss and no accuracy was reported." : "The first numbers come after the first round.");
    show(find("empty"), legend.length === 0);
  };
  watch("value", () => {
    asked = null;
    draw();
  });
  draw();
  const look = (run) => {
    const there = run ? [run.id, run.points] : [0, 0];
    const waiting = asked && seconds(asked, new Date()) < PATIENCE;
    if (waiting || String(props.value?.drawn ?? [0, 0]) === String(there)) return;
    asked = new Date();
    trigger("grown", { id: there[0] });
  };
  if (find("of").textContent === "chosen") hear("run", look);
  else onPulse(({ run }) => look(run));
};
