// Elements from JavaScript: text is always text, so nothing from a run is read as HTML.

// An element with attributes and children; `onclick` and the like are listeners.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// A label around an input.
export const labeled = (text, input) => h("label", {}, `${text} `, input);

// A choice of one class of a model, as radio buttons.
export function classPicker(model, chosen, onchoose) {
  const name = `class-${Math.random()}`;
  const options = model.known_classes.map((k) => {
    const radio = h("input", { type: "radio", name, value: String(k), checked: k === chosen });
    radio.addEventListener("change", () => onchoose(k));
    return h("label", { class: "chip" }, radio, h("span", {}, model.classes[k]));
  });
  return h("fieldset", { class: "classes" }, h("legend", {}, "Class"), ...options);
}

// Weights of classes with a one for the class k.
export const oneHot = (model, k) => model.classes.map((_, i) => (i === k ? 1 : 0));

// What the page is told when something goes wrong; empty text clears it.
export function say(text) {
  document.getElementById("message").textContent = text;
}
