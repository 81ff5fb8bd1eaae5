// The map of test images' codes: the image under the pointer is made as it moves, the nearest real
// image stands beside it, and a click takes the code to the sliders.

import { ask, latest } from "./ask.js";
import { h, say } from "./elements.js";
import { given } from "./explore.js";
import { picture, show, unpack } from "./pixels.js";

const COLORS = ["#1f6fb4", "#c9541a", "#128468", "#8e4fa8", "#8f6a00", "#bf3d6f", "#5a6675", "#7b5538", "#2a9bb5", "#6a8f1f"];
const SIZE = 460; // of the drawing, in its own pixels
const EDGE = 16;

export function codesMap(model, found, view) {
  return new CodesMap(model, found, view);
}

class CodesMap {
  constructor(model, found, view) {
    Object.assign(this, { model, found, view });
    const [xs, ys] = [0, 1].map((axis) => found.points.map((point) => point[axis]));
    this.low = [Math.min(...xs), Math.min(...ys)];
    this.high = [Math.max(...xs), Math.max(...ys)];
    this.here = [0, 1].map((axis) => (this.low[axis] + this.high[axis]) / 2);
    this.canvas = h("canvas", { class: "map", width: SIZE, height: SIZE, tabIndex: 0, role: "application" });
    this.canvas.setAttribute("aria-label", "Map of codes: arrow keys move, Enter takes the code");
    this.made = picture("The image made at this place");
    this.real = picture("The nearest test image");
    this.look = latest(() => this.decode(), say);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.point(event);
      this.take();
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.shown = -1;
    const caption = `Codes of ${found.points.length} test images: ${found.axes.join(" and ")}. Move over it; click to take a code.`;
    this.element = h("figure", {}, h("h2", {}, "Map"), this.canvas,
      h("div", { class: "pair" },
        h("figure", {}, this.made, h("figcaption", {}, "made here")),
        h("figure", {}, this.real, h("figcaption", {}, "nearest real"))),
      h("figcaption", { class: "note" }, caption));
    requestAnimationFrame(() => this.paint()); // then it is on the page and knows its colors
    this.look();
  }

  // The code at a place of the plane.
  code(x, y) {
    const [first, second] = this.found.directions;
    return this.found.mean.map((middle, d) => middle + x * first[d] + y * second[d]);
  }

  toScreen(point) {
    const room = SIZE - 2 * EDGE;
    const [x, y] = point.map((value, i) => (value - this.low[i]) / (this.high[i] - this.low[i] || 1));
    return [EDGE + x * room, EDGE + (1 - y) * room];
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const room = SIZE - 2 * EDGE;
    const x = (((event.clientX - box.left) / box.width) * SIZE - EDGE) / room;
    const y = 1 - (((event.clientY - box.top) / box.height) * SIZE - EDGE) / room;
    this.here = [x, y].map((share, i) => this.low[i] + share * (this.high[i] - this.low[i]));
    this.paint();
    this.look();
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key === "Enter" || event.key === " ") this.take();
    else if (event.key in steps) {
      const by = steps[event.key];
      this.here = this.here.map((value, i) => value + (by[i] * (this.high[i] - this.low[i])) / 40);
      this.paint();
      this.look();
    } else return;
    event.preventDefault();
  }

  take() {
    this.view.restart({ at: this.here.map((value) => value.toFixed(3)).join(",") });
  }

  async decode() {
    const asked = { model: this.model.number, z: [this.code(...this.here)], ...given(this.model, this.view.classNow()) };
    show(this.made, unpack((await ask("generate", asked)).images)[0]);
    const nearest = this.nearest();
    if (nearest === this.shown) return;
    const image = { test: this.found.index[nearest] };
    show(this.real, unpack((await ask("picture", { model: this.model.number, image })).images)[0]);
    this.shown = nearest;
  }

  nearest() {
    const distances = this.found.points.map(([x, y]) => (x - this.here[0]) ** 2 + (y - this.here[1]) ** 2);
    return distances.indexOf(Math.min(...distances));
  }

  // Every code as the name of its class where that is short, else as a dot.
  paint() {
    const pen = this.canvas.getContext("2d");
    const ink = getComputedStyle(this.canvas).color || "#888";
    pen.clearRect(0, 0, SIZE, SIZE);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    this.found.points.forEach((point, i) => {
      const [x, y] = this.toScreen(point);
      const k = this.found.labels[i];
      const name = k < 0 ? "" : this.model.classes[k];
      pen.fillStyle = k < 0 ? ink : COLORS[k % COLORS.length];
      if (name.length === 1) pen.fillText(name, x, y);
      else pen.fillRect(x - 2, y - 2, 4, 4);
    });
    const [x, y] = this.toScreen(this.here);
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, 8, 0, 2 * Math.PI);
    pen.stroke();
  }
}
