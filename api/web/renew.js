// Pages that the server writes whole: asked anew when something happened, and each quarter minute; what changed is put
// in place. Behind a dead link nothing here stays free: after a few seconds without an answer all is unknown.
const data = JSON.parse(document.getElementById("perch").textContent);
const { words } = data;
const LOOK_MS = 15_000;
const SOON_MS = 700;
const ANSWER_MS = 8_000;
const QUIET_MS = LOOK_MS + 2_000;
let contact = performance.now();
let contactAt = new Date();
let waiting = 0;
let turn = 0;
let opened = false;

async function renew() {
  clearTimeout(waiting);
  waiting = 0;
  turn += 1;
  const mine = turn;
  const address = location.href;
  try {
    const headers = { Accept: "text/html" };
    const answer = await fetch(address, { headers, cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 401) location.reload(); // there the form to log in is shown
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (mine !== turn || address !== location.href) return; // a later look is on its way
    contact = performance.now();
    contactAt = new Date();
    put(new DOMParser().parseFromString(text, "text/html"));
  } catch {
    // the time since the last contact tells
  }
  paintLink();
}

function soon() {
  waiting ||= setTimeout(renew, SOON_MS);
}

function put(page) {
  document.title = page.title;
  putChoices(page);
  for (const old of document.querySelectorAll("[data-renew]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || fresh.innerHTML === old.dataset.shown) continue;
    const open = [...old.querySelectorAll("details[open][id]")].map((one) => one.id);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const href = focused?.getAttribute("href");
    const before = said(old);
    old.dataset.shown = fresh.innerHTML;
    old.replaceChildren(...fresh.childNodes);
    if (said(old) !== before) speak(said(old));
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (href) [...old.querySelectorAll("a")].find((one) => one.getAttribute("href") === href)?.focus({ preventScroll: true });
    else if (focused?.id) document.getElementById(focused.id)?.focus({ preventScroll: true });
  }
}

function said(part) {
  return part.querySelector("[data-say]")?.textContent ?? "";
}

// Screen readers are told the one sentence of the page, politely, when it differs and has settled.
let speaking = 0;
function speak(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const place = document.querySelector(".spoken");
    if (place && place.textContent !== text) place.textContent = text;
  }, 2_000);
}

// What is offered to choose from hangs on what is chosen.
function putChoices(page) {
  for (const field of document.querySelectorAll("form.fields select, form.fields input")) {
    const fresh = page.querySelector(`form.fields [name="${field.name}"]`);
    if (!fresh || (field.matches("input") && field === document.activeElement)) continue; // a time is being written
    if (fresh.textContent !== field.textContent) field.replaceChildren(...[...fresh.options].map((one) => one.cloneNode(true)));
    field.value = fresh.value;
  }
}

function paintLink() {
  const quiet = performance.now() - contact > QUIET_MS;
  const link = document.querySelector(".link");
  const banner = document.querySelector(".banner");
  const state = quiet ? "lost" : opened ? "live" : "connecting";
  if (link) {
    document.body.dataset.link = link.dataset.link = state;
    if (state !== "connecting") link.querySelector(".link-text").textContent = quiet ? words.offline : words.live;
  }
  if (!banner) return;
  const time = contactAt.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  const text = quiet ? words.expired.replace("{time}", time) : "";
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !quiet;
  if (quiet) forget();
}

function forget() {
  for (const row of document.querySelectorAll('[data-renew] [data-state]:not([data-state="unknown"])')) {
    row.dataset.state = "unknown";
    const word = row.querySelector(".word");
    if (word) word.textContent = words.states.unknown;
  }
  for (const old of document.querySelectorAll("[data-renew]")) delete old.dataset.shown;
}

function listen() {
  const stream = new EventSource(`/api/v1/events${data.site ? `?site=${encodeURIComponent(data.site)}` : ""}`);
  stream.onopen = () => {
    opened = true;
    soon();
  };
  stream.onerror = () => {
    opened = false;
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, LOOK_MS);
    soon();
  };
  for (const name of ["space", "agent", "reset"]) stream.addEventListener(name, soon);
}

const form = document.querySelector("form.fields");
form?.addEventListener("change", () => {
  const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.pushState(null, "", `${location.pathname}?${asked}`);
  renew();
});
addEventListener("popstate", renew);
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
  button.textContent = button.dataset.copied;
});
for (const button of document.querySelectorAll("[data-copies]")) button.hidden = !navigator.clipboard;

listen();
setInterval(renew, LOOK_MS);
setInterval(paintLink, 1_000);
addEventListener("online", renew);
addEventListener("pageshow", (event) => event.persisted && renew());
document.addEventListener("visibilitychange", () => document.hidden || renew());
paintLink();
