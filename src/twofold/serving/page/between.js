// Between: the way from one seed, class or test image to another.

import { change, number, state } from "./address.js";
import { ask, latest } from "./ask.js";
import { h, labeled, oneHot, say } from "./elements.js";
import { picture, show, unpack } from "./pixels.js";

const STEPS = 25;
const PAUSE = 80; // milliseconds an image is shown while it plays

export function between(model) {
  if (!model.can.includes("generate")) return h("p", {}, model.cannot.generate);
  if (model.about === "image") {
    return h("p", {}, `${model.title} is conditioned on a part of an image, and between two images there is none.`);
  }
  return new Between(model).element;
}

class Between {
  constructor(model) {
    this.model = model;
    this.frames = [];
    this.canvas = picture("The image at this place of the way", "picture large");
    this.strip = h("div", { class: "strip" });
    this.note = h("p", { class: "note" });
    this.place = h("input", { type: "range", min: "0", max: String(STEPS - 1), step: "1", value: String(number("t", 0, STEPS - 1)) });
    this.place.addEventListener("input", () => this.showFrame());
    this.timer = null;
    this.play = h("button", { type: "button", onclick: () => this.toggle() }, "Play");
    this.refresh = latest(() => this.fetch(), say);
    const second = this.model.known_classes.at(-1);
    this.ends = { a: this.end("a", "From", 0, this.model.known_classes[0]), b: this.end("b", "To", 1, second) };
    this.element = h("div", { class: "columns" },
      h("section", { "aria-label": "Image" }, h("figure", {}, this.canvas),
        h("p", { class: "row" }, this.play, labeled("Place", this.place)), this.note),
      h("section", { "aria-label": "Ends" }, this.ends.a.element, this.ends.b.element, h("h2", {}, "The way"), this.strip));
    this.refresh();
  }

  // One end, in the address as in a=seed,3,7 : a seed or a test image, its number, and a class.
  end(key, title, value, k) {
    const [kindNow, valueNow, classNow] = (state[key] ?? "").split(",");
    const kind = h("select", {}, h("option", { value: "seed" }, "seed"));
    if (this.model.can.includes("reconstruct") && this.model.tests > 0) {
      kind.append(h("option", { value: "test" }, "test image"));
    }
    kind.value = kindNow === "test" && kind.options.length > 1 ? "test" : "seed";
    const input = h("input", { type: "number", min: "0", step: "1" });
    input.value = /^\d+$/.test(valueNow ?? "") ? valueNow : String(value);
    const parts = [labeled("Of", kind), labeled("Number", input)];
    let classes = null;
    if (this.model.about === "class") {
      const options = this.model.known_classes.map((i) => h("option", { value: String(i) }, this.model.classes[i]));
      classes = h("select", {}, ...options);
      classes.value = this.model.known_classes.includes(Number(classNow || NaN)) ? classNow : String(k);
      parts.push(labeled("Class", classes));
    }
    const changed = () => {
      change({ [key]: [kind.value, input.value, classes?.value ?? ""].join(",") });
      this.refresh();
    };
    for (const field of [kind, input, classes]) field?.addEventListener("change", changed);
    const asked = () => {
      const number_ = Math.max(0, Math.floor(input.valueAsNumber || 0));
      const from = kind.value === "seed" ? { seed: number_ } : { image: { test: number_ } };
      return classes === null ? from : { ...from, weights: oneHot(this.model, Number(classes.value)) };
    };
    return { element: h("fieldset", {}, h("legend", {}, title), h("p", { class: "row" }, ...parts)), asked };
  }

  async fetch() {
    const { a, b } = this.ends;
    const answer = await ask("between", { model: this.model.number, a: a.asked(), b: b.asked(), steps: STEPS });
    this.frames = unpack(answer.images);
    this.strip.replaceChildren(...this.frames.map((frame, i) => {
      const small = picture(`Image ${i + 1} of ${STEPS}`, "picture small");
      show(small, frame);
      return small;
    }));
    this.note.textContent = answer.path === "linear" ? "A straight way." : "An arc, which keeps the length of the codes.";
    this.showFrame();
  }

  showFrame() {
    const t = Number(this.place.value);
    change({ t });
    if (this.frames.length > 0) show(this.canvas, this.frames[t]);
    [...this.strip.children].forEach((small, i) => small.classList.toggle("here", i === t));
  }

  toggle() {
    if (this.timer !== null) {
      clearInterval(this.timer);
      this.timer = null;
      this.play.textContent = "Play";
      return;
    }
    let by = 1;
    this.play.textContent = "Pause";
    this.timer = setInterval(() => {
      if (!this.element.isConnected) clearInterval(this.timer);
      const t = Number(this.place.value);
      if (t + by < 0 || t + by >= STEPS) by = -by;
      this.place.value = String(t + by);
      this.showFrame();
    }, PAUSE);
  }
}
