// A pad to draw on with mouse, pen or finger; it is read in the model's size.

import { h } from "./elements.js";

const SCALE = 12; // of its own pixels to the model's

export class Pad {
  constructor([C, H, W], onchange) {
    Object.assign(this, { C, H, W, onchange, erasing: false, brush: 1.6, last: null });
    this.canvas = h("canvas", { class: "pad", width: W * SCALE, height: H * SCALE });
    this.canvas.setAttribute("aria-label", "Draw here, white on black");
    this.canvas.setAttribute("role", "img");
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.color = "#ffffff";
    this.clear();
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.last = this.place(event);
      this.line(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.last !== null) this.line(event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, () => {
        this.last = null;
      });
    }
  }

  clear() {
    this.pen.fillStyle = "#000000";
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // Shows an image of the model's size, to be drawn on.
  load({ C, H, W, bytes }) {
    for (let i = 0; i < H * W; i += 1) {
      const values = [0, 1, 2].map((c) => bytes[(C === 3 ? c * H * W : 0) + i]);
      this.pen.fillStyle = `rgb(${values.join(",")})`;
      this.pen.fillRect((i % W) * SCALE, Math.floor(i / W) * SCALE, SCALE, SCALE);
    }
  }

  // The mean of the pad's pixels in each of the model's: bytes, C × H × W.
  read() {
    const { data } = this.pen.getImageData(0, 0, this.canvas.width, this.canvas.height);
    const bytes = new Uint8Array(this.C * this.H * this.W);
    for (let c = 0; c < this.C; c += 1) {
      for (let y = 0; y < this.H; y += 1) {
        for (let x = 0; x < this.W; x += 1) {
          let sum = 0;
          for (let i = 0; i < SCALE * SCALE; i += 1) {
            const row = y * SCALE + Math.floor(i / SCALE);
            sum += data[4 * (row * this.canvas.width + x * SCALE + (i % SCALE)) + c];
          }
          bytes[(c * this.H + y) * this.W + x] = Math.round(sum / (SCALE * SCALE));
        }
      }
    }
    return bytes;
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.canvas.width,
      ((event.clientY - box.top) / box.height) * this.canvas.height,
    ];
  }

  line(event) {
    const to = this.place(event);
    this.pen.strokeStyle = this.erasing ? "#000000" : this.color;
    this.pen.lineWidth = (this.brush * SCALE * this.W) / 20;
    this.pen.lineCap = "round";
    this.pen.beginPath();
    this.pen.moveTo(...this.last);
    this.pen.lineTo(...to);
    this.pen.stroke();
    this.last = to;
    this.onchange();
  }
}
