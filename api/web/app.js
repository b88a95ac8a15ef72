// The page moves: one model of what the server said, one way to show it, in the list and on the plan.
import { listen } from "./link.js";
import { ago, clock, fill, percent } from "./wording.js";

const data = JSON.parse(document.getElementById("perch").textContent);
const { words } = data;
const spaces = new Map(); // id -> { item, heard }, heard in ms of the server's clock
const agents = new Map(); // agent -> ids of its spaces
const rows = new Map([...document.querySelectorAll(".row")].map((row) => [row.dataset.space, row]));
const marks = new Map([...document.querySelectorAll(".plan .space")].map((mark) => [mark.id.slice(6), mark]));
const FILTERS = ["floor", "kind", "state", "zone", "feature", "min_capacity"];
const wish = wished();
const link = listen(data, { snapshot, space, agent, summary, differs, changed: paintLink });
const dirty = new Set();
let frame = 0;

// A value that cannot be asks for nothing, as it does without a script.
function wished() {
  const asked = new URLSearchParams(location.search);
  const cannot = {
    floor: (floor) => !document.getElementById(`floor-${floor}`),
    kind: (kind) => !(kind in words.kinds),
    state: (state) => !(state in words.states),
    min_capacity: (seats) => !(Number(seats) > 0),
  };
  const known = new URLSearchParams();
  for (const name of FILTERS) {
    const value = asked.get(name);
    if (value && !cannot[name]?.(value)) known.set(name, value);
  }
  return known;
}

function snapshot(items, at) {
  const known = items.every((item) => rows.has(item.id));
  if (!known || items.length !== rows.size) return location.reload(); // the layout has changed
  items.forEach((item) => keep(item, at));
}

function space(item, at) {
  if (item.site !== data.site) return;
  if (!rows.has(item.id)) return location.reload();
  keep(item, at);
  rows.get(item.id).classList.add("moved");
}

function keep(item, at) {
  const heard = item.age_seconds === null ? null : at - item.age_seconds * 1000;
  spaces.set(item.id, { item, heard });
  touch(item.id);
}

function differs(items) {
  return items.some((item) => spaces.get(item.id)?.item.state !== item.state);
}

function agent(item) {
  if (item.site !== data.site || !item.online) return;
  for (const id of item.spaces) {
    const known = spaces.get(id);
    if (known && known.item.state !== "unknown") known.heard = Math.max(known.heard ?? 0, Date.parse(item.last_heard));
    touch(id);
  }
}

function touch(id) {
  dirty.add(id);
  frame ||= requestAnimationFrame(paint);
}

function touchAll() {
  spaces.forEach((_, id) => touch(id));
}

// What may be shown of a space: what the server said, as long as it is there to say so. Without it a state is valid for
// as long after its device was heard as everywhere, and nothing is for longer after the server was.
function shown({ item, heard }) {
  if (!link.quiet() || item.state === "unknown") return item;
  const end = Math.min(link.expiredAt(), (heard ?? Infinity) + data.valid);
  if (link.now() <= end) return item;
  return { ...item, state: "unknown", reason: "link-lost", count: null, since: new Date(end).toISOString() };
}

function paint() {
  frame = 0;
  dirty.forEach((id) => paintSpace(id, spaces.get(id)));
  dirty.clear();
  paintFilters();
  paintTotals();
}

function paintSpace(id, known) {
  if (!known) return;
  const item = shown(known);
  const row = rows.get(id);
  row.dataset.state = item.state;
  row.querySelector(".glyph").dataset.state = item.state;
  say(row, ".word", words.states[item.state]);
  paintSince(row.querySelector(".since"), item.since);
  say(row, ".why", words.reasons[item.reason]);
  say(row, ".note", words.reasons[item.reason]);
  row.querySelector(".note").hidden = item.state !== "unknown";
  say(row, ".heard", known.heard === null ? words.never : ago(words, link.now() - known.heard));
  row.querySelector(".evidence").hidden = known.heard === null && known.item.reason !== "never-reported"; // not for all
  say(row, ".belief", percent(data.language, item.probability));
  say(row, ".count", item.count ?? "");
  row.querySelector(".people").hidden = item.count === null;
}

function paintSince(place, since) {
  place.replaceChildren();
  if (!since) return;
  const time = document.createElement("time");
  time.dateTime = since;
  time.textContent = clock(data, since, link.now());
  const [before, after] = words.since.split("{time}");
  place.append(before, time, after);
}

function say(row, selector, text) {
  const place = row.querySelector(selector);
  if (place.textContent !== String(text)) place.textContent = text;
}

function wanted(row) {
  const has = row.dataset;
  if (!["kind", "state", "zone"].every((name) => !wish.get(name) || wish.get(name) === has[name])) return false;
  if (Number(has.seats) < Number(wish.get("min_capacity") ?? 0)) return false;
  return !wish.get("feature") || has.features.split(";").includes(wish.get("feature"));
}

function paintFilters() {
  for (const [id, row] of rows) {
    row.hidden = !wanted(row);
    marks.get(id)?.setAttribute("data-state", row.dataset.state + (row.hidden ? " off" : ""));
  }
  for (const part of document.querySelectorAll(".zone, .floor")) {
    const seen = [...part.querySelectorAll(".row")].some((row) => !row.hidden);
    if (part.matches(".zone")) part.hidden = !seen;
    else {
      part.hidden = Boolean(wish.get("floor")) && wish.get("floor") !== part.dataset.floor;
      part.querySelector(".nothing").hidden = seen;
    }
  }
  for (const choice of document.querySelectorAll("[data-value]")) paintChoice(choice);
  paintFiner();
}

function paintChoice(choice) {
  const name = choice.closest("ul").dataset.choice;
  if ((wish.get(name) ?? "") === choice.dataset.value) choice.setAttribute("aria-current", "true");
  else choice.removeAttribute("aria-current");
  choice.href = address(name, choice.dataset.value);
}

function address(name, value) {
  const other = new URLSearchParams(wish);
  other.set("site", data.site);
  if (value) other.set(name, value);
  else other.delete(name);
  return `/?${other}`;
}

function count(within) {
  const number = { free: 0, occupied: 0, unknown: 0, total: 0 };
  for (const row of within.querySelectorAll(".row")) {
    number[row.dataset.state] += 1;
    number.total += 1;
  }
  return number;
}

function paintTotals() {
  const number = count(document);
  for (const state of Object.keys(words.states)) {
    document.querySelector(`.total-${state} dd`).textContent = number[state];
  }
  for (const floor of document.querySelectorAll(".floor")) {
    floor.querySelector(".floor-free").textContent = fill(words.free_of, count(floor));
  }
  paintSite(data.site, number);
  document.title = fill(words.title, { free: number.free, site: data.name });
  speak(fill(words.spoken, { site: data.name, ...number }));
}

function paintSite(id, number) {
  const card = document.querySelector(`[data-site="${id}"]`);
  if (!card) return;
  card.querySelector("b").textContent = number.free;
  card.querySelector(".of").textContent = fill(words.of_total, number);
  let x = 0;
  for (const state of Object.keys(words.states)) {
    const part = card.querySelector(`.part-${state}`);
    part.setAttribute("x", x);
    part.setAttribute("width", number[state]);
    x += number[state];
  }
}

function forgetOtherSites() {
  for (const card of document.querySelectorAll("[data-site]")) {
    const total = Number(card.querySelector("svg").getAttribute("viewBox").split(" ")[2]);
    if (card.dataset.site !== data.site) paintSite(card.dataset.site, { free: 0, occupied: 0, unknown: total, total });
  }
}

function summary(answer) {
  for (const [id, number] of Object.entries(answer.by_site)) {
    if (id !== data.site) paintSite(id, number);
  }
}

// Screen readers are told of counts, politely: at most every five seconds, and only what differs.
let spokenAt = 0;
let speaking = 0;
function speak(text) {
  clearTimeout(speaking);
  const place = document.querySelector(".spoken");
  if (!spokenAt) {
    spokenAt = 1; // what the page showed at first needs no telling
    place.dataset.last = text;
    return;
  }
  speaking = setTimeout(
    () => {
      spokenAt = performance.now();
      if (place.dataset.last !== text) place.textContent = place.dataset.last = text;
    },
    Math.max(500, spokenAt + 5000 - performance.now()),
  );
}

let wasQuiet = false;
function paintLink() {
  const state = link.expired() ? "expired" : link.lost() ? "lost" : link.open() ? "live" : "connecting";
  const since = clock(data, link.contact(), link.now());
  const banner = document.querySelector(".banner");
  const gone = state === "lost" || state === "expired";
  document.body.dataset.link = document.querySelector(".link").dataset.link = state;
  document.querySelector(".link-text").textContent = gone ? words.offline : state === "live" ? words.live : words.as_of.replace("{time}", since);
  const text = gone ? fill(words[state], { time: since }) : "";
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !gone;
  document.querySelector(".clock").textContent = clock(data, link.now(), link.now());
  if (link.quiet() || wasQuiet) touchAll(); // each second while nobody vouches, and once more afterwards
  if (link.quiet() && !wasQuiet) forgetOtherSites(); // of which only counts are known, and no times
  wasQuiet = link.quiet();
}

document.querySelector(".filters").addEventListener("click", (event) => {
  const choice = event.target.closest("[data-value]");
  if (!choice || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", choice.href);
  follow();
});
addEventListener("popstate", follow);
function follow() {
  const now = wished();
  for (const name of FILTERS) now.get(name) ? wish.set(name, now.get(name)) : wish.delete(name);
  paintFilters();
}

// What is asked for less often stands in a form, which needs no button here.
const finer = document.querySelector(".finer form");
finer?.addEventListener("change", ({ target }) => {
  history.pushState(null, "", address(target.name, target.value));
  follow();
});
finer?.querySelector(".clear").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState(null, "", event.target.href);
  follow();
});

function paintFiner() {
  for (const field of finer?.querySelectorAll("select, input") ?? []) {
    field.value = wish.get(field.name) ?? (field.name === "site" ? data.site : "");
  }
}


// A plan that is wider than the screen is moved by keys as well.
for (const button of document.querySelectorAll(".enlarge")) {
  const drawing = button.closest(".drawing");
  button.addEventListener("click", () => {
    const large = drawing.classList.toggle("large");
    button.setAttribute("aria-pressed", String(large));
    if (large) drawing.tabIndex = 0;
    else drawing.removeAttribute("tabindex");
  });
}

// The plan and the list point at each other.
for (const [id, mark] of marks) {
  const row = rows.get(id);
  if (!row) continue;
  mark.addEventListener("click", () => {
    row.querySelector("details").open = true;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    row.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    row.querySelector("summary").focus({ preventScroll: true });
  });
  for (const [from, to] of [[mark, row], [row, mark]]) {
    from.addEventListener("pointerenter", () => to.classList.add("pointed"));
    from.addEventListener("pointerleave", () => to.classList.remove("pointed"));
  }
  row.addEventListener("focusin", () => mark.classList.add("pointed"));
  row.addEventListener("focusout", () => mark.classList.remove("pointed"));
  row.addEventListener("animationend", () => row.classList.remove("moved"));
}

if (document.body.matches(".wall")) import("./wall.js").then(({ hang }) => hang());
else document.querySelector(".sites [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
setInterval(touchAll, 10_000);
setInterval(paintLink, 1_000);
paintLink();
