// The page: which model, which tab, and what is said when something goes wrong.

import { change, number, onAddress, state } from "./address.js";
import { models } from "./ask.js";
import { between } from "./between.js";
import { draw } from "./draw.js";
import { h, say } from "./elements.js";
import { explore } from "./explore.js";

// Each tab makes its elements for a model. What belongs to a model is dropped with it.
const TABS = { explore: ["Explore", explore], draw: ["Draw", draw], between: ["Between", between] };
const OF_A_MODEL = ["class", "z", "at", "image", "a", "b", "t", "step"];

const found = await models().catch((error) => {
  say(error.message);
  return [];
});
const select = document.querySelector("#models select");
const nav = document.querySelector("nav");
const main = document.querySelector("main");

found.forEach((model, i) => {
  model.number = i;
  const words = model.error === null ? model.title : `${model.title} (cannot be opened)`;
  select.append(h("option", { value: String(i) }, words));
});
select.addEventListener("change", () => {
  change({ ...Object.fromEntries(OF_A_MODEL.map((key) => [key, null])), model: select.value });
  render();
});
for (const [name, [title]] of Object.entries(TABS)) {
  const choose = () => {
    change({ tab: name });
    render();
  };
  nav.append(h("button", { type: "button", id: `tab-${name}`, onclick: choose }, title));
}

function render() {
  const tab = state.tab in TABS ? state.tab : "explore";
  for (const button of nav.children) {
    if (button.id === `tab-${tab}`) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  const model = found[number("model", 0, found.length - 1)];
  if (model === undefined) return;
  select.value = String(model.number);
  say("");
  document.title = `${model.title} · Twofold`;
  main.replaceChildren(model.error === null ? TABS[tab][1](model) : h("p", {}, model.error));
}

onAddress(render);
render();
