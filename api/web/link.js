// The link to the server: events as they come, a look every quarter minute at what the server says, and how long ago
// anything was heard. A stream may die without a word, or wake up with events of long ago: so an open stream alone
// proves nothing, and an event proves only that the server was there when it happened, which its id tells.

const LOOK_MS = 15_000;
const ANSWER_MS = 8_000;
const LOST_MS = 5_000;
const QUIET_MS = LOOK_MS + 2_000; // no contact for so long: not even a look has succeeded
const OFF_MS = 2_000; // the server tells its time to the second

export function listen(data, tell) {
  const time = serverTime(data.now);
  const { now } = time;
  const site = encodeURIComponent(data.site);
  let contact = now();
  let stream = null;
  let opened = false;
  let begun = false;
  let brokenAt = null;
  let events = 0;

  function heard(at) {
    contact = Math.max(Math.min(contact, now()), Math.min(at, now()));
    if (now() - contact < QUIET_MS) brokenAt = null;
    tell.changed();
  }

  function broken() {
    brokenAt ??= now();
    tell.changed();
  }

  function connect() {
    stream?.close();
    stream = new EventSource(`/api/v1/events?site=${site}`);
    stream.onopen = () => {
      opened = true;
      heard(now());
    };
    stream.onerror = () => {
      opened = false;
      broken();
    };
    on("snapshot", (value, at) => {
      begun = true;
      tell.snapshot(value.items, at);
      tell.changed();
    });
    on("space", tell.space);
    on("agent", tell.agent);
  }

  function on(name, act) {
    stream.addEventListener(name, (event) => {
      const at = Math.min(Number(event.lastEventId) / 1000, now());
      events += 1;
      heard(at);
      act(JSON.parse(event.data), at);
    });
  }

  async function read(address) {
    const answer = await fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 401) location.reload(); // there the form to log in is shown
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    time.correct(Date.parse(answer.headers.get("date")));
    return answer.json();
  }

  async function look() {
    try {
      const before = events;
      const [summary, page] = await Promise.all([read("/api/v1/summary"), read(`/api/v1/spaces?site=${site}`)]);
      heard(now());
      tell.summary(summary);
      if (page.next !== null || events !== before) return;
      if (stream.readyState !== EventSource.OPEN) tell.snapshot(page.items, Date.parse(page.as_of));
      // A stream that said nothing while the server says something else is dead.
      if (stream.readyState === EventSource.CLOSED || (opened && tell.differs(page.items))) connect();
    } catch {
      broken();
    }
  }

  connect();
  setInterval(look, LOOK_MS);
  addEventListener("online", look);
  addEventListener("offline", broken);
  addEventListener("pageshow", (event) => event.persisted && look());
  document.addEventListener("visibilitychange", () => document.hidden || look());

  return {
    now,
    contact: () => contact,
    open: () => opened && begun,
    quiet: () => now() - contact > QUIET_MS,
    lost: () => brokenAt !== null && now() - brokenAt > LOST_MS,
    expired: () => now() - contact > data.valid,
    expiredAt: () => contact + data.valid,
  };
}

// The server's clock, by ours. Of our two clocks the one that saw more time pass is believed: one of them stands still
// while a device sleeps, the other may be set.
export function serverTime(start) {
  let base = start;
  let date = Date.now();
  let steady = performance.now();
  const now = () => base + Math.max(Date.now() - date, performance.now() - steady);
  function correct(told) {
    if (!(Math.abs(told - now()) > OFF_MS)) return;
    [base, date, steady] = [told, Date.now(), performance.now()];
  }
  return { now, correct };
}
