// The state of the page is in its address, so that a link shows the same.

export const state = read();

function read() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

// Changes the state; what is null is left out of the address from then on.
export function change(changes) {
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete state[key];
    else state[key] = String(value);
  }
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
}

// Calls a function when somebody else changes the address: a link, or the back button.
export function onAddress(call) {
  addEventListener("hashchange", () => {
    for (const key of Object.keys(state)) delete state[key];
    Object.assign(state, read());
    call();
  });
}

// A whole number of the state within bounds, or what stands for it.
export function number(key, fallback, most = Number.MAX_SAFE_INTEGER) {
  const value = Number(state[key] ?? NaN);
  return Number.isInteger(value) && value >= 0 && value <= most ? value : fallback;
}
