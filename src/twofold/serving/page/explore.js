// Explore: a code by sliders, dice or the map, and the image of it.

import { change, number, state } from "./address.js";
import { ask, latest } from "./ask.js";
import { classPicker, h, labeled, oneHot, say } from "./elements.js";
import { codesMap } from "./map.js";
import { picture, show, unpack } from "./pixels.js";

const FIRST = 10; // sliders that are shown at once

export function explore(model) {
  if (!model.can.includes("generate")) return h("p", {}, model.cannot.generate);
  const view = new Explore(model);
  view.start();
  return view.element;
}

// What `generate` needs beside codes.
export function given(model, k) {
  if (model.about === "class") return { weights: oneHot(model, k) };
  if (model.about === "image") return { image: { test: number("image", 0, model.tests - 1) } };
  return {};
}

class Explore {
  constructor(model) {
    this.model = model;
    this.z = null;
    this.canvas = picture("The image of the code", "picture large");
    this.note = h("p", { class: "note" });
    this.sliders = h("div", { class: "sliders" });
    this.steps = h("input", { type: "range", min: "1", max: "1", step: "1" });
    this.steps.addEventListener("input", () => this.showStep());
    this.painted = [];
    this.refresh = latest(() => this.generate(), say);
    this.seed = h("input", { type: "number", min: "0", step: "1", value: String(this.seedNow()) });
    this.seed.addEventListener("change", () => this.draw(Math.max(0, Math.floor(this.seed.valueAsNumber || 0))));
    this.element = h("div", { class: "columns" }, this.left(), this.right());
  }

  seedNow() {
    return number("seed", 0);
  }

  classNow() {
    const k = number("class", this.model.known_classes[0] ?? 0, this.model.classes.length - 1);
    return this.model.known_classes.includes(k) ? k : this.model.known_classes[0];
  }

  left() {
    const dice = h("button", { type: "button", onclick: () => this.draw(this.seedNow() + 1) }, "⚄ Next seed");
    const middle = h("button", { type: "button", onclick: () => this.toMiddle() }, "Middle");
    const parts = [h("figure", {}, this.canvas, h("figcaption", {}, this.note))];
    if (this.model.can.includes("paint")) parts.push(labeled("Step", this.steps));
    parts.push(h("p", { class: "row" }, dice, labeled("Seed", this.seed), middle));
    if (this.model.about === "class") {
      parts.push(classPicker(this.model, this.classNow(), (k) => {
        change({ class: k });
        this.refresh();
      }));
    }
    if (this.model.about === "image") parts.push(this.imagePicker());
    return h("section", { "aria-label": "Image" }, ...parts);
  }

  imagePicker() {
    const last = this.model.tests - 1;
    const input = h("input", { type: "number", min: "0", max: String(last), value: String(number("image", 0, last)) });
    input.addEventListener("change", () => {
      change({ image: Math.min(last, Math.max(0, Math.floor(input.valueAsNumber || 0))) });
      this.refresh();
    });
    return labeled("Completes test image", input);
  }

  right() {
    this.mapPlace = h("div", {});
    return h("section", { "aria-label": "Code" }, h("h2", {}, "Latents"), this.sliders, this.mapPlace);
  }

  async start() {
    try {
      this.latents = await ask("latents", { model: this.model.number });
      if (this.model.can.includes("reconstruct") && this.model.tests > 0) {
        try {
          this.map = codesMap(this.model, await ask("map", { model: this.model.number }), this);
          this.mapPlace.replaceChildren(this.map.element);
        } catch (error) {
          this.mapPlace.replaceChildren(h("p", { class: "note" }, error.message));
        }
      } else {
        const words = this.model.cannot.reconstruct ?? this.model.no_tests;
        this.mapPlace.replaceChildren(h("p", { class: "note" }, `No map of codes: ${words}`));
      }
      await this.toBase();
      for (const [d, value] of edits()) if (d < this.z.length) this.z[d] = value;
      this.makeSliders(FIRST);
      this.refresh();
    } catch (error) {
      say(error.message);
    }
  }

  // The code before any slider is moved: of a place on the map, the middle, or a seed.
  async toBase() {
    const at = (state.at ?? "").split(",").map(Number);
    if (state.at === "middle") this.z = [...this.latents.middle];
    else if (this.map && at.length === 2 && at.every(Number.isFinite)) this.z = this.map.code(...at);
    else {
      const asked = { model: this.model.number, seed: this.seedNow(), ...given(this.model, this.classNow()) };
      this.z = (await ask("generate", asked)).z[0];
    }
  }

  async draw(seed) {
    this.seed.value = String(seed);
    await this.restart({ seed, at: null });
  }

  toMiddle() {
    return this.restart({ at: "middle" });
  }

  // From another base, without the sliders' changes.
  async restart(changes) {
    change({ ...changes, z: null });
    try {
      await this.toBase();
    } catch (error) {
      say(error.message);
      return;
    }
    this.placeSliders();
    this.refresh();
  }

  makeSliders(count) {
    const { order, carries, middle, sigma, idle, what } = this.latents;
    this.inputs = new Map();
    const rows = order.slice(0, count).map((d) => {
      const [least, most] = [middle[d] - 4 * sigma[d], middle[d] + 4 * sigma[d]];
      const input = h("input", { type: "range", min: String(least), max: String(most), step: "any" });
      const value = h("output", {});
      input.addEventListener("input", () => {
        this.z[d] = input.valueAsNumber;
        value.textContent = this.z[d].toFixed(2);
        keep(d, this.z[d]);
        this.refresh();
      });
      this.inputs.set(d, [input, value]);
      const isIdle = carries !== null && carries[d] < idle;
      const about = carries === null ? "" : isIdle ? "idle" : carries[d].toFixed(2);
      return h("label", { class: isIdle ? "slider idle" : "slider" },
        h("span", { title: what }, `z${d} `, h("small", {}, about)), input, value);
    });
    const rest = order.length - count;
    const more = rest > 0
      ? h("button", { type: "button", onclick: () => this.makeSliders(order.length) }, `Show ${rest} more`)
      : null;
    const note = what ? h("p", { class: "note" }, `In the order of their ${what}, which stands beside them.`) : null;
    this.sliders.replaceChildren(...[note, ...rows, more].filter((part) => part !== null));
    this.placeSliders();
  }

  placeSliders() {
    for (const [d, [input, value]] of this.inputs) {
      input.value = String(this.z[d]);
      value.textContent = this.z[d].toFixed(2);
    }
  }

  async generate() {
    const steps = this.model.can.includes("paint");
    const asked = { model: this.model.number, z: [this.z], steps, ...given(this.model, this.classNow()) };
    const answer = await ask("generate", asked);
    this.painted = unpack(answer.images);
    this.steps.max = String(this.painted.length);
    if (this.steps.dataset.moved !== "yes") this.steps.value = this.steps.max;
    show(this.canvas, this.painted[Number(this.steps.value) - 1] ?? this.painted.at(-1));
    this.note.textContent = answer.scores === null
      ? "" : `The discriminator's score: ${answer.scores[0].toFixed(2)} (more looks more real to it)`;
  }

  showStep() {
    this.steps.dataset.moved = this.steps.value === this.steps.max ? "no" : "yes";
    show(this.canvas, this.painted[Number(this.steps.value) - 1]);
  }
}

// The latents that were moved by hand, as in z=3:1.25,7:-0.5.
function edits() {
  return (state.z ?? "").split(",").map((part) => part.split(":").map(Number))
    .filter(([d, value]) => Number.isInteger(d) && d >= 0 && Number.isFinite(value));
}

function keep(d, value) {
  const all = new Map(edits());
  all.set(d, Number(value.toFixed(3)));
  change({ z: [...all].map((pair) => pair.join(":")).join(",") });
}
