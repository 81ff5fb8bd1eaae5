// Draw: an image that is drawn, uploaded, pasted or taken of the test images, and what the model
// makes of it.

import { change, number, state } from "./address.js";
import { ask, latest } from "./ask.js";
import { classPicker, h, labeled, oneHot, say } from "./elements.js";
import { Pad } from "./pad.js";
import { picture, show, toBase64, unpack } from "./pixels.js";

const MOST = 2_900_000; // bytes of a file, which base64 makes larger by a third

export function draw(model) {
  const readsImages = model.can.includes("reconstruct") || model.can.includes("classify");
  if (!readsImages) {
    return h("div", {}, h("p", {}, model.cannot.reconstruct), h("p", {}, model.cannot.classify));
  }
  return new Draw(model).element;
}

class Draw {
  constructor(model) {
    this.model = model;
    this.test = null; // the number of the test image, as long as nothing is drawn on it
    this.chosen = "class" in state ? number("class", null, model.classes.length - 1) : null;
    this.pad = new Pad(model.image, () => {
      this.test = null;
      this.refresh();
    });
    this.seen = picture("What the model is given");
    this.again = picture("Its reconstruction");
    this.note = h("p", { class: "note" });
    this.bars = h("div", { class: "bars" });
    this.refresh = latest(() => this.reconstruct(), say);
    this.element = h("div", { class: "columns" }, this.left(), this.right());
    this.element.addEventListener("paste", (event) => this.upload(event.clipboardData.files[0]));
    if (model.tests > 0) this.take(number("image", 0, model.tests - 1));
    else this.refresh();
  }

  left() {
    const erase = h("input", { type: "checkbox" });
    erase.addEventListener("change", () => {
      this.pad.erasing = erase.checked;
    });
    const brush = h("input", { type: "range", min: "0.6", max: "4", step: "0.2", value: "1.6" });
    brush.addEventListener("input", () => {
      this.pad.brush = brush.valueAsNumber;
    });
    const parts = [this.pad.canvas, h("p", { class: "row" },
      h("button", { type: "button", onclick: () => this.clear() }, "Clear"),
      labeled("Erase", erase), labeled("Brush", brush))];
    if (this.model.image[0] === 3) parts.push(this.colorPicker());
    const last = this.model.tests - 1;
    this.number = h("input", { type: "number", min: "0", max: String(last), value: "0" });
    this.number.addEventListener("change", () => this.take(this.number.valueAsNumber || 0));
    const file = h("input", { type: "file", accept: "image/*" });
    file.addEventListener("change", () => this.upload(file.files[0]));
    if (last >= 0) {
      const other = () => this.take(Math.floor(Math.random() * (last + 1)));
      parts.push(h("p", { class: "row" }, labeled("Test image", this.number),
        h("button", { type: "button", onclick: other }, "Another")));
    }
    parts.push(h("p", { class: "row" }, labeled("Upload", file)));
    return h("section", { "aria-label": "Your image", tabindex: "-1" }, h("h2", {}, "Your image"), ...parts);
  }

  colorPicker() {
    const color = h("input", { type: "color", value: "#ffffff" });
    color.addEventListener("input", () => {
      this.pad.color = color.value;
    });
    return labeled("Color", color);
  }

  right() {
    const parts = [h("h2", {}, "What the model makes of it"), h("div", { class: "pair" },
      h("figure", {}, this.seen, h("figcaption", {}, "given")),
      this.model.can.includes("reconstruct")
        ? h("figure", {}, this.again, h("figcaption", {}, "reconstruction")) : null), this.note];
    if (this.model.about === "class" && this.model.can.includes("reconstruct")) {
      parts.push(classPicker(this.model, this.chosen, (k) => {
        this.chosen = k;
        change({ class: k });
        this.refresh();
      }));
    }
    parts.push(this.bars);
    for (const name of ["reconstruct", "classify"]) {
      if (name in this.model.cannot) parts.push(h("p", { class: "note" }, this.model.cannot[name]));
    }
    return h("section", { "aria-label": "Answer" }, ...parts);
  }

  clear() {
    this.test = null;
    this.pad.clear();
    this.refresh();
  }

  async take(i) {
    const test = Math.min(this.model.tests - 1, Math.max(0, Math.floor(i)));
    change({ image: test });
    this.number.value = String(test);
    await this.load({ test });
    this.test = test;
    this.refresh();
  }

  async upload(file) {
    if (!file) return;
    if (file.size > MOST) {
      say(`${file.name} has ${file.size} bytes; at most ${MOST} can be sent`);
      return;
    }
    await this.load({ file: toBase64(new Uint8Array(await file.arrayBuffer())) });
    this.test = null;
    this.refresh();
  }

  async load(image) {
    try {
      const answer = await ask("picture", { model: this.model.number, image });
      this.pad.load(unpack(answer.images)[0]);
    } catch (error) {
      say(error.message);
    }
  }

  async reconstruct() {
    const image = this.test === null ? { pixels: toBase64(this.pad.read()) } : { test: this.test };
    const asked = { model: this.model.number, image };
    const takesClass = this.model.about === "class" && this.model.can.includes("reconstruct");
    if (takesClass && this.chosen !== null) asked.weights = oneHot(this.model, this.chosen);
    const answer = await ask("reconstruct", asked);
    show(this.seen, unpack(answer.images)[0]);
    const label = answer.label === null ? "" : `Its class is ${answer.label}. `;
    this.note.textContent = label;
    if (answer.reconstruction !== null) {
      show(this.again, unpack(answer.reconstruction)[0]);
      this.note.textContent += `Squared error: ${answer.error.toFixed(4)} per pixel.`;
      if (answer.scores) {
        const [before, after] = answer.scores.map((score) => score.toFixed(2));
        this.note.textContent += ` The discriminator's scores: ${before} and ${after}.`;
      }
    }
    this.showBars(answer.probabilities);
  }

  showBars(probabilities) {
    const rows = (probabilities ?? []).map((p, k) => {
      const bar = h("meter", { min: 0, max: 1, value: p });
      bar.setAttribute("aria-label", `Probability of ${this.model.classes[k]}`);
      const text = `${(100 * p).toFixed(p > 0.1 ? 0 : 1)} %`;
      return h("div", { class: "bar" }, h("span", {}, this.model.classes[k]), bar, h("span", {}, text));
    });
    this.bars.replaceChildren(...rows);
  }
}
