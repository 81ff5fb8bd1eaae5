// Images as the server sends them, on a canvas.

// The bytes (C × H × W each) of the images of an answer.
export function unpack({ shape, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const [count, C, H, W] = shape;
  const size = C * H * W;
  return Array.from({ length: count }, (_, i) => ({
    C, H, W, bytes: bytes.subarray(i * size, (i + 1) * size),
  }));
}

export const toBase64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));

// Shows an image in a canvas, a pixel of the one for each of the other.
export function show(canvas, { C, H, W, bytes }) {
  canvas.width = W;
  canvas.height = H;
  const data = new ImageData(W, H);
  const plane = H * W;
  for (let i = 0; i < plane; i += 1) {
    for (let c = 0; c < 3; c += 1) data.data[4 * i + c] = bytes[(C === 3 ? c * plane : 0) + i];
    data.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
}

// A canvas of an image, with words for those who do not see it.
export function picture(words, kind = "picture") {
  const canvas = document.createElement("canvas");
  canvas.className = kind;
  canvas.width = canvas.height = 1;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  return canvas;
}
