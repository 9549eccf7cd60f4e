// Sentences with a tone, set from Python: what came of the last click, what is wrong with an app.
const fill = (node, { tone, text }) => {
  node.dataset.tone = tone;
  put(node, text);
};
const draw = () => each(find("list"), Array.isArray(props.value) ? props.value : [], ({ text }) => text, () => make("p", "bt-callout"), fill);
watch("value", () => {
  draw();
  changed();
});
draw();
