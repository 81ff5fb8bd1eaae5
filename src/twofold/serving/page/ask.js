// Questions to the server.

export async function models() {
  return (await answer(fetch("api/models"))).models;
}

export async function ask(name, fields) {
  const body = JSON.stringify(fields);
  const headers = { "content-type": "application/json" };
  return answer(fetch(`api/${name}`, { method: "POST", headers, body }));
}

async function answer(request) {
  const response = await request.catch(() => {
    throw new Error("The server does not answer; is `twofold serve` still running?");
  });
  const found = await response.json().catch(() => ({ error: `The server answered ${response.status}` }));
  if (!response.ok) throw new Error(found.error);
  return found;
}

// A function that works on one thing at a time: what comes meanwhile waits, and only the newest of
// it is kept. A slider that is dragged asks as often as there are answers, and never for the past.
export function latest(work, complain) {
  let busy = false;
  let waiting = null;
  return async function go(...given) {
    if (busy) {
      waiting = given;
      return;
    }
    busy = true;
    try {
      await work(...given);
      complain("");
    } catch (error) {
      complain(error.message);
    } finally {
      busy = false;
    }
    if (waiting !== null) {
      const next = waiting;
      waiting = null;
      go(...next);
    }
  };
}
