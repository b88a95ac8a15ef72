// Looks that wait for a connection: each under its own name in this phone's storage, with its time and its random id, so
// that a look that was sent twice is stored once. They are bounded in number and age, and leave nothing behind once sent.

const PREFIX = "perch-audit-";
const MOST = 200;
const OLDEST_MS = 6 * 86_400_000;
const ANSWER_MS = 8_000;
const AGAIN_MS = 15_000;

export function waitingLooks(tell) {
  const memory = new Map(); // where a browser keeps nothing for us, the page does

  function names() {
    try {
      return Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
    } catch {
      return [];
    }
  }

  function all() {
    const kept = new Map(memory);
    for (const name of names()) {
      try {
        const look = JSON.parse(localStorage.getItem(name));
        if (name !== PREFIX + look.id || !(Date.parse(look.seen_at) > 0)) throw new Error(name);
        kept.set(look.id, look);
      } catch {
        localStorage.removeItem(name);
      }
    }
    return [...kept.values()].sort((one, other) => Date.parse(one.seen_at) - Date.parse(other.seen_at));
  }

  function keep(look) {
    try {
      localStorage.setItem(PREFIX + look.id, JSON.stringify(look));
    } catch {
      memory.set(look.id, look);
    }
  }

  function drop(id) {
    memory.delete(id);
    try {
      localStorage.removeItem(PREFIX + id);
    } catch {
      // nothing was kept there
    }
  }

  const has = (id) => all().some((look) => look.id === id);
  const regretted = new Set(); // taken back here, but it may have reached the server without a word coming back
  const sending = new Map(); // id -> the answer to come

  // Gives the answer, { refused } where it was turned down for good, null where it has to wait.
  function send(look) {
    if (!sending.has(look.id)) sending.set(look.id, post(look).finally(() => sending.delete(look.id)));
    return sending.get(look.id);
  }

  async function post(look) {
    try {
      const answer = await fetch("/api/v1/audit", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(look),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      if (answer.status >= 500 || answer.status === 429) return null;
      const told = await answer.json();
      drop(look.id);
      return answer.ok ? told : { refused: why(told) };
    } catch {
      return null;
    } finally {
      tell.changed(all().length);
    }
  }

  async function remove(id) {
    const answer = await fetch(`/api/v1/audit/${id}`, { method: "DELETE", signal: AbortSignal.timeout(ANSWER_MS) });
    regretted.delete(id);
    return answer.ok || answer.status === 404 ? "" : why(await answer.json());
  }

  async function flush() {
    for (const id of regretted) await remove(id).catch(() => {});
    for (const look of all()) {
      if (sending.has(look.id)) continue;
      if (Date.now() - Date.parse(look.seen_at) > OLDEST_MS) {
        drop(look.id);
        continue;
      }
      const told = await send(look);
      if (told === null) break; // still no connection
      if (told.refused) tell.refused(told.refused);
    }
    tell.changed(all().length);
  }

  return {
    add(look) {
      if (all().length >= MOST) return false;
      keep(look);
      return true;
    },
    send,
    // Gives "" once nothing of it is kept anywhere, else why that could not be done.
    async takeBack(id, offline) {
      await sending.get(id);
      const waited = has(id);
      if (waited) {
        drop(id);
        regretted.add(id);
        tell.changed(all().length);
      }
      return remove(id).catch(() => (waited ? "" : offline));
    },
    start() {
      flush();
      setInterval(() => (all().length || regretted.size) && flush(), AGAIN_MS);
      addEventListener("online", flush);
    },
  };
}

function why(problem) {
  return problem.errors?.map((error) => `${error.where}: ${error.what}`).join("; ") || problem.detail;
}
