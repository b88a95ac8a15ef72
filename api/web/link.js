// The link to the server: events as they come, a look every quarter minute whether it still stands, and how long ago
// anything was heard. A stream may die without a word, so an open stream alone is no proof.

const LOOK_MS = 15_000;
const ANSWER_MS = 8_000;
const LOST_MS = 5_000;

export function listen(data, tell) {
  const offset = data.now - Date.now(); // the server's clock, by ours
  const now = () => Date.now() + offset;
  const events = `/api/v1/events?site=${encodeURIComponent(data.site)}`;
  let contact = now();
  let stream = null;
  let opened = false;
  let begun = false;
  let brokenAt = null;
  let disagreed = 0;

  function heard() {
    contact = Math.max(contact, now());
    brokenAt = null;
    tell.changed();
  }

  function connect() {
    stream?.close();
    stream = new EventSource(events);
    stream.onopen = () => {
      opened = true;
      heard();
    };
    stream.onerror = () => {
      opened = false;
      brokenAt ??= now();
      tell.changed();
    };
    on("snapshot", (value) => {
      begun = true;
      tell.snapshot(value.items);
      tell.changed();
    });
    on("space", tell.space);
    on("agent", tell.agent);
  }

  function on(name, act) {
    stream.addEventListener(name, (event) => {
      heard();
      act(JSON.parse(event.data));
    });
  }

  async function read(address) {
    const answer = await fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS) });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.json();
  }

  async function look() {
    try {
      const agreed = tell.summary(await read("/api/v1/summary"));
      if (stream.readyState !== EventSource.OPEN) {
        tell.snapshot((await read(`/api/v1/spaces?site=${encodeURIComponent(data.site)}`)).items);
      }
      if (stream.readyState === EventSource.CLOSED) connect();
      disagreed = agreed ? 0 : disagreed + 1;
      if (disagreed > 1) {
        disagreed = 0; // the stream says something else than the server: it must be dead
        connect();
      }
      heard();
    } catch {
      brokenAt ??= now();
      tell.changed();
    }
  }

  connect();
  setInterval(look, LOOK_MS);
  addEventListener("online", look);
  addEventListener("offline", () => {
    brokenAt ??= now();
    tell.changed();
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());

  return {
    now,
    contact: () => contact,
    open: () => opened && begun,
    lost: () => brokenAt !== null && now() - brokenAt > LOST_MS,
    expired: () => now() - contact > data.valid,
    expiredAt: () => contact + data.valid,
  };
}
