// What eslint holds the scripts of the parts to: its recommended rules, a few stricter ones, and two
// of ours: an element is found by its name, and text never becomes HTML.
import js from "@eslint/js";
import globals from "globals";

const BY_NAME = "Find it by its name: data-part in a part, data-cell in a row.";
const AS_TEXT = "Put it in as text, or make elements; what the server cleaned goes through the kit.";
const forbid = (selector, message) => ({ selector, message });
const positions = /^(first|last|next|previous)(Element)?(Child|Sibling)$/;
const lists = /^(children|childNodes|cells|rows|elements)$/;
const markup = /^(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|setHTMLUnsafe)$/;
const OLD = ["run_detail", "run_form"];

export default [
  { ignores: ["node_modules/"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    languageOptions: { globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "array-callback-return": "error",
      "max-lines": ["error", 200],
      "no-console": "error",
      "no-else-return": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-promise-executor-return": ["error", { allowVoid: true }],
      "no-script-url": "error",
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-template-curly-in-string": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-unmodified-loop-condition": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      "require-await": "error",
      "no-restricted-syntax": [
        "error",
        forbid(`MemberExpression[property.name=${positions}]`, BY_NAME),
        forbid(`MemberExpression[computed=true][object.property.name=${lists}]`, BY_NAME),
        forbid(`CallExpression[callee.property.name=at][callee.object.property.name=${lists}]`, BY_NAME),
        forbid(`VariableDeclarator[id.type=ArrayPattern][init.property.name=${lists}]`, BY_NAME),
        forbid("Literal[value=/:(nth|first|last|only)-/]", BY_NAME),
        forbid(`MemberExpression[property.name=${markup}]`, AS_TEXT),
        forbid("CallExpression[callee.object.name=document][callee.property.name=/^write/]", AS_TEXT),
      ],
    },
  },
  // Not yet by name: this list only ever becomes shorter.
  {
    files: OLD.map((name) => `${name}/*.js`),
    rules: { "max-lines": "off", "no-promise-executor-return": "off", "no-restricted-syntax": "off", "no-shadow": "off", "no-unused-vars": "off" },
  },
  { files: ["*.js", "**/*.test.js"], languageOptions: { globals: globals.node } },
];
